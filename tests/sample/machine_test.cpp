// The machine against the definition: random grammars, all short texts, a recogniser that tries everything.
#include "sample/machine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "sample/gbnf.h"

namespace hearth::sample {
namespace {

struct Tree {
  enum class Kind { literal, choice, sequence, repeat, call } kind;
  std::string bytes = {};
  std::vector<Tree> parts = {};
  int minimum = 0, maximum = 0;  // -1: unbounded
  int rule = 0;
};

Tree random_tree(std::mt19937& random, int depth, int rules) {
  const auto below = [&](int n) { return int(random() % unsigned(n)); };
  Tree tree;
  switch (depth == 0 ? below(3) : below(8)) {
    case 0:
      tree = {.kind = Tree::Kind::literal, .bytes = below(2) ? "a" : "b"};
      break;
    case 1:
      tree = {.kind = Tree::Kind::call, .rule = below(rules)};
      break;
    case 2:
      tree = {.kind = Tree::Kind::literal, .bytes = below(4) ? "ab" : ""};
      break;
    case 3:
    case 4:
      tree.kind = Tree::Kind::choice;
      for (int i = 2 + below(2); i > 0; --i) tree.parts.push_back(random_tree(random, depth - 1, rules));
      break;
    case 5:
    case 6:
      tree.kind = Tree::Kind::sequence;
      for (int i = 2 + below(2); i > 0; --i) tree.parts.push_back(random_tree(random, depth - 1, rules));
      break;
    default:
      tree.kind = Tree::Kind::repeat;
      tree.parts.push_back(random_tree(random, depth - 1, rules));
      tree.minimum = below(3);
      tree.maximum = below(2) ? -1 : tree.minimum + below(3);
  }
  return tree;
}

std::string write(const Tree& tree) {
  std::string text;
  switch (tree.kind) {
    case Tree::Kind::literal:
      return fmt::format("\"{}\"", tree.bytes);
    case Tree::Kind::call:
      return tree.rule == 0 ? "root" : fmt::format("r{}", tree.rule);
    case Tree::Kind::choice:
    case Tree::Kind::sequence:
      for (const Tree& part : tree.parts)
        text += (text.empty() ? "" : tree.kind == Tree::Kind::choice ? " | " : " ") + write(part);
      return fmt::format("({})", text);
    case Tree::Kind::repeat:
      break;
  }
  return fmt::format("{}{{{},{}}}", write(tree.parts[0]), tree.minimum,
                     tree.maximum < 0 ? "" : std::to_string(tree.maximum));
}

// Where each rule, begun anywhere in the text, can end: grown until nothing more is found.
class Recogniser {
 public:
  Recogniser(const std::vector<Tree>& rules, std::string_view text) : rules_(rules), text_(text) {
    for (bool grown = true; grown;) {
      grown = false;
      for (int rule = 0; rule < int(rules.size()); ++rule)
        for (std::size_t at = 0; at <= text.size(); ++at)
          for (const std::size_t end : ends(rules[std::size_t(rule)], at))
            grown |= found_[{rule, at}].insert(end).second;
    }
  }
  bool matches() { return found_[{0, 0}].contains(text_.size()); }

 private:
  std::set<std::size_t> ends(const Tree& tree, std::size_t at) {
    std::set<std::size_t> result;
    switch (tree.kind) {
      case Tree::Kind::literal:
        if (text_.substr(at).starts_with(tree.bytes)) result.insert(at + tree.bytes.size());
        break;
      case Tree::Kind::call:
        return found_[{tree.rule, at}];
      case Tree::Kind::choice:
        for (const Tree& part : tree.parts) result.merge(ends(part, at));
        break;
      case Tree::Kind::sequence:
        result = {at};
        for (const Tree& part : tree.parts) result = after(result, part);
        break;
      case Tree::Kind::repeat: {
        std::set<std::size_t> now = {at};
        for (int i = 0; i < tree.minimum; ++i) now = after(now, tree.parts[0]);
        result = now;
        for (int i = tree.minimum; tree.maximum < 0 ? i < tree.minimum + 10 : i < tree.maximum; ++i) {
          now = after(now, tree.parts[0]);
          result.insert(now.begin(), now.end());
        }
      }
    }
    return result;
  }
  std::set<std::size_t> after(const std::set<std::size_t>& starts, const Tree& tree) {
    std::set<std::size_t> result;
    for (const std::size_t start : starts) result.merge(ends(tree, start));
    return result;
  }

  const std::vector<Tree>& rules_;
  std::string_view text_;
  std::map<std::pair<int, std::size_t>, std::set<std::size_t>> found_;
};

TEST(Machine, RecognisesWhatRandomGrammarsMean) {
  std::mt19937 random(20240607);
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; texts[i].size() < 6; ++i)
    for (const char c : {'a', 'b'}) texts.push_back(texts[i] + c);
  int grammars = 0, recognised = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<Tree> rules;
    const int count = 1 + int(random() % 3);
    std::string written;
    for (int i = 0; i < count; ++i) {
      rules.push_back(random_tree(random, 3, count));
      written += fmt::format("{} ::= {}\n", i == 0 ? "root" : fmt::format("r{}", i), write(rules.back()));
    }
    std::set<std::string> beginnings;  // of the texts that are of the grammar
    std::vector<bool> expected;
    for (const std::string& text : texts) {
      expected.push_back(Recogniser(rules, text).matches());
      for (std::size_t n = 0; expected.back() && n <= text.size(); ++n) beginnings.insert(text.substr(0, n));
    }
    std::unique_ptr<Machine> machine;
    try {
      machine = std::make_unique<Machine>(parse_gbnf(written).automaton());
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::bad_input) << written;
      ASSERT_TRUE(beginnings.empty()) << written << error.what();
      continue;
    }
    ++grammars;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Machine::State state = machine->start();
      for (const char c : texts[i]) state = machine->step(state, std::uint8_t(c));
      ASSERT_EQ(machine->accepts(state), expected[i]) << written << "on " << texts[i];
      ASSERT_TRUE(state != Machine::dead || !beginnings.contains(texts[i])) << written << "on " << texts[i];
      recognised += expected[i];
    }
  }
  EXPECT_GT(grammars, 100);
  EXPECT_GT(recognised, 1000);
}

}  // namespace
}  // namespace hearth::sample
