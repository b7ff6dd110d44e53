// The constraint: masks, endings, clones, and the time that hostile grammars take.
#include "sample/grammar.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "cpu_seconds.h"
#include "sample/gbnf.h"
#include "sample/json_schema.h"
#include "sample/walk.h"

namespace hearth::sample {
namespace {

std::set<std::string> allowed(Constraint& constraint, const TokenTable& table) {
  std::vector<float> logits(table.size(), 0.5f);
  constraint.mask(logits);
  std::set<std::string> texts;
  for (Token token = 0; token < Token(table.size()); ++token) {
    if (!std::isinf(logits[token])) texts.insert(table.ends(token) ? "END" : std::string(table.text(token)));
  }
  return texts;
}

std::shared_ptr<const TokenTable> table(std::vector<std::string> texts) {
  texts.insert(texts.begin(), "</s>");
  return std::make_shared<const TokenTable>(texts, std::vector<Token>{0});
}

TEST(GrammarConstraint, AllowsTokensThatGoOnAndEndsWhereTheGrammarMay) {
  const auto vocabulary = table({"a", "ab", "abc", "b", "ba", "c", "", "abd"});
  const auto constraint = grammar_constraint(vocabulary, parse_gbnf("root ::= \"ab\" (\"a\" \"b\"?)? | \"abc\""));
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"a", "ab", "abc"}));
  EXPECT_FALSE(constraint->allows(0));
  EXPECT_FALSE(constraint->complete());
  constraint->accept(2);
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"a", "ab", "c", "END"}));
  EXPECT_TRUE(constraint->allows(0));
  EXPECT_FALSE(constraint->allows(7)) << "a token that writes nothing";
  EXPECT_FALSE(constraint->allows(99));
  EXPECT_FALSE(constraint->allows(-1));
  const auto other = constraint->clone();
  constraint->accept(6);
  EXPECT_TRUE(constraint->complete());
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"END"}));
  EXPECT_FALSE(other->complete());
  other->accept(0);
  EXPECT_TRUE(other->complete());
  EXPECT_FALSE(other->allows(0));
}

TEST(GrammarConstraint, TokensMayCutCharacters) {
  const auto vocabulary = table({"\xc3", "\xa9", "\xa8", "é", "\xa9!"});
  const auto constraint = grammar_constraint(vocabulary, parse_gbnf("root ::= \"é\" \"!\"?"));
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"\xc3", "é"}));
  constraint->accept(1);
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"\xa9", "\xa9!"}));
}

TEST(GrammarConstraint, RefusesWhatDoesNotFollow) {
  const auto vocabulary = table({"a", "b"});
  const auto constraint = grammar_constraint(vocabulary, parse_gbnf("root ::= \"ac\""));
  EXPECT_THROW(constraint->accept(2), Error);
  EXPECT_THROW(constraint->accept(0), Error);
  constraint->accept(1);
  std::vector<float> logits(3);
  EXPECT_THROW(constraint->mask(logits), Error) << "the vocabulary has no c";
}

TEST(GrammarConstraint, MaskTouchesNothingElse) {
  const auto vocabulary = tests::small_vocabulary();
  for (const char* grammar : {"root ::= \"a\"", "root ::= [a-z]+", "root ::= .*"}) {
    const auto constraint = grammar_constraint(vocabulary, parse_gbnf(grammar));
    std::vector<float> logits(vocabulary->size() + 7), before;
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = float(i) - 20;
    before = logits;
    constraint->mask(logits);
    for (std::size_t i = 0; i < logits.size(); ++i)
      EXPECT_EQ(logits[i], constraint->allows(Token(i)) ? before[i] : -std::numeric_limits<float>::infinity()) << i;
    std::vector<float> fewer(before.begin(), before.begin() + 110);  // than the vocabulary has
    constraint->mask(fewer);
    EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), logits.begin()));
  }
}

TEST(GrammarConstraint, KeepsAnEndInReach) {
  const auto vocabulary = table({"a", "b", "(", ")", "((", "))", "long", "n", "g", "lo"});
  std::mt19937 random(3);
  for (const char* grammar : {
           "root ::= \"(\" root \")\" | \"a\"",
           "root ::= (\"(\" root* \")\")+",
           "root ::= root \"b\" | root root \"b\" | \"a\"",
           "root ::= x root? x | \"a\"\nx ::= \"(\" x* \")\" | \"\" | \"b\"",
           "root ::= \"long\" root \"long\" | \"(\" root | \"longlong\"",
           "root ::= (\"a\" root \"b\"){2,5} | \"b\"",
           "root ::= [abglno()]* \"a\" [ab]{3}",
       })
    for (std::size_t tokens : {4, 5, 9, 30}) {
      const Grammar parsed = parse_gbnf(grammar);
      const auto constraint = grammar_constraint(vocabulary, parsed);
      for (int i = 0; i < 50; ++i) {
        const auto text = tests::limited_walk(*constraint->clone(), *vocabulary, random, tokens);
        ASSERT_TRUE(text) << grammar << " in " << tokens;
        EXPECT_TRUE(parsed.matches(*text)) << grammar << ": " << *text;
      }
    }
}

TEST(GrammarConstraint, ALimitRefusesOnlyWhatIsTooLong) {
  const auto vocabulary = table({"a", "b", "abc", "d", "e", "f", "g", "de"});
  const auto constraint = grammar_constraint(vocabulary, parse_gbnf("root ::= \"abc\" | \"d\" \"efg\"? | \"de\" root"));
  constraint->limit(3);
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"abc", "d", "de"}));
  constraint->limit(1);
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"abc", "d"}));
  // There is no c, so that a beginning by letters comes to nothing, which only the vocabulary shows.
  constraint->limit(100);
  EXPECT_EQ(allowed(*constraint, *vocabulary), (std::set<std::string>{"abc", "d", "de"}));
  // Too little even for the shortest: as without a limit.
  const auto pair = grammar_constraint(vocabulary, parse_gbnf("root ::= \"d\" \"f\" | \"de\" \"f\" \"g\""));
  pair->limit(1);
  EXPECT_EQ(allowed(*pair, *vocabulary), (std::set<std::string>{"d", "de"}));
}

TEST(GrammarConstraint, ForgettingChangesNothing) {
  const auto vocabulary = tests::small_vocabulary();
  const auto schema = nlohmann::ordered_json::parse(
      R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"id":{"type":"string","maxLength":9},)"
      R"("children":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["id"]}}})");
  const Grammar grammar = from_json_schema(schema);
  const auto remembers = grammar_constraint(vocabulary, grammar);
  const auto forgets = grammar_constraint(vocabulary, grammar, 5000);
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 first(seed), second(seed);
    const auto a = remembers->clone(), b = forgets->clone();
    const auto text = tests::walk(*a, *vocabulary, first);
    EXPECT_EQ(text, tests::walk(*b, *vocabulary, second));
    EXPECT_TRUE(!text || grammar.matches(*text)) << *text;
  }
}

// Each rule may begin with all that follow it.
std::string chain_of_rules(int count) {
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < count; ++i) chain += fmt::format("r{} ::= \"a\" r{} | r{}\n", i, i + 1, i + 1);
  return chain + fmt::format("r{} ::= \"a\"*", count);
}

TEST(GrammarConstraint, HostileGrammarsTakeLittleTime) {
  const auto vocabulary = table({"a", "aaaaaaaa", "aaaaaaaaaaaaaaaa", "b", "(", ")"});
  for (const std::string& grammar : {
           std::string("root ::= (\"a\" | \"a\" root | root \"a\")*"),
           std::string("root ::= root root | \"a\""),
           std::string("root ::= root root root | root root | \"a\" | \"\""),
           std::string("root ::= \"a\" root \"a\" | \"a\" root | root \"a\" | \"a\""),
           std::string("root ::= (\"a\"{0,1000}){0,1000}"),
           std::string("root ::= ((\"a\"{1,100}){1,100}){1,100}"),
           std::string("root ::= ((((\"a\"*)*)*)*)*"),
           std::string("root ::= [ab]* \"a\" [ab]{500}"),
           std::string("root ::= x y z\nx ::= \"a\"* | y\ny ::= z \"a\" | x\nz ::= y x | \"a\""),
           chain_of_rules(100),
       }) {
    SCOPED_TRACE(grammar.substr(0, 60));
    const double start = cpu_seconds();
    const auto constraint = grammar_constraint(vocabulary, parse_gbnf(grammar));
    for (int i = 0; i < 300; ++i) {
      std::vector<float> logits(vocabulary->size());
      constraint->mask(logits);
      constraint->accept(1 + i % 3);
    }
    EXPECT_LT(cpu_seconds() - start, 20);
  }
}

TEST(GrammarConstraint, GivesUpOnWhatWouldTakeLong) {
  const auto vocabulary = table({"a"});
  const auto constraint = grammar_constraint(vocabulary, parse_gbnf(chain_of_rules(2500)));
  try {
    constraint->accept(1);
    FAIL() << "should be too ambiguous";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("too ambiguous"), std::string::npos);
  }
}

}  // namespace
}  // namespace hearth::sample
