#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "base/error.h"
#include "engine/chat.h"
#include "sample/gbnf.h"
#include "sample/grammar.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::engine {
namespace {

std::shared_ptr<Engine> tiny(std::size_t threads = 2) {
  return Engine::open(tests::shared() / "conformance/gguf/llama-dense.gguf",
                      {.threads = threads, .context = 64, .batch_tokens = 8});
}

Request greedy(std::vector<Token> prompt, std::size_t max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  return request;
}

std::vector<Token> prompt(std::size_t length, Token seed) {
  std::vector<Token> tokens(length);
  for (std::size_t i = 0; i < length; ++i) tokens[i] = Token((seed * 31 + Token(i) * 7) % 128);
  return tokens;
}

TEST(Session, PromptInPiecesOrFromTheCacheGivesTheSame) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  Session fresh(engine);
  const Answer whole = fresh.generate(greedy(prompt(30, 1), 12));
  EXPECT_EQ(whole.tokens.size(), 12u);
  EXPECT_EQ(whole.reason, FinishReason::length);
  EXPECT_EQ(whole.usage.cached_tokens, 0u);

  const Answer again = fresh.generate(greedy(prompt(30, 1), 12));
  EXPECT_EQ(again.tokens, whole.tokens);
  EXPECT_EQ(again.usage.cached_tokens, 29u);  // one token must be run to draw from

  auto longer = prompt(30, 1);
  longer.insert(longer.end(), whole.tokens.begin(), whole.tokens.begin() + 5);
  const Answer rest = fresh.generate(greedy(longer, 7));
  EXPECT_GE(rest.usage.cached_tokens, 30u);
  EXPECT_EQ(rest.tokens, std::vector<Token>(whole.tokens.begin() + 5, whole.tokens.end()));
}

TEST(Session, ManyAtOnceEachAsIfAlone) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  constexpr int count = 4;
  std::vector<std::vector<Token>> alone(count), together(count);
  for (int i = 0; i < count; ++i) alone[i] = Session(engine).generate(greedy(prompt(5 + 9 * i, i), 20)).tokens;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      std::vector<Token> heard;
      Session session(engine);
      together[i] = session
                        .generate(greedy(prompt(5 + 9 * i, i), 20),
                                  [&](const Piece& piece) {
                                    heard.push_back(piece.token);
                                    return true;
                                  })
                        .tokens;
      EXPECT_EQ(heard, together[i]);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

TEST(Session, SameTokensForAnyNumberOfThreads) {
  HEARTH_NEEDS_SHARED();
  const auto expected = Session(tiny(1)).generate(greedy(prompt(20, 3), 30)).tokens;
  for (std::size_t threads : {2, 4, 8})
    EXPECT_EQ(Session(tiny(threads)).generate(greedy(prompt(20, 3), 30)).tokens, expected);
}

TEST(Session, SeedDrawsTheSameAgain) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  Request first = greedy(prompt(10, 2), 25);
  first.sampling.temperature = 1.5f;
  const Answer answer = Session(engine).generate(std::move(first));
  Request second = greedy(prompt(10, 2), 25);
  second.sampling.temperature = 1.5f;
  second.sampling.seed = answer.seed;
  EXPECT_EQ(Session(engine).generate(std::move(second)).tokens, answer.tokens);
}

TEST(Session, StopsWhenTheSinkSaysSoAndStaysUsable) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  Session session(engine);
  int heard = 0;
  const Answer cut = session.generate(greedy(prompt(10, 2), 40), [&](const Piece&) { return ++heard < 5; });
  EXPECT_EQ(cut.reason, FinishReason::cancelled);
  EXPECT_LT(cut.tokens.size(), 8u);
  EXPECT_THROW(
      session.generate(greedy(prompt(10, 2), 40), [](const Piece&) -> bool { throw std::runtime_error("sink"); }),
      std::runtime_error);
  EXPECT_EQ(session.generate(greedy(prompt(10, 2), 40)).tokens,
            Session(engine).generate(greedy(prompt(10, 2), 40)).tokens);
}

TEST(Session, FillsTheContextAndNoFurther) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  Session session(engine);
  const Answer answer = session.generate(greedy(prompt(60, 2), 0));
  EXPECT_EQ(answer.reason, FinishReason::length);
  EXPECT_LE(answer.tokens.size(), 5u);
  try {
    session.generate(greedy(prompt(64, 2), 1));
    FAIL() << "a prompt as long as the context was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::too_long);
    EXPECT_STREQ(error.what(), "the prompt has 64 tokens and the context holds 64, shorten it or raise the context");
  }
}

// A drafter that is right `right` times, then wrong, over and over.
class Oracle final : public Drafter {
 public:
  Oracle(std::vector<Token> truth, std::size_t right) : truth_(std::move(truth)), right_(right) {}
  std::vector<Token> propose(ThreadPool&, std::span<const Token> tokens, std::size_t most) override {
    std::vector<Token> guesses;
    for (std::size_t i = tokens.size(); i < truth_.size() && guesses.size() < most; ++i)
      guesses.push_back(guesses.size() < right_ ? truth_[i] : (truth_[i] + 1) % 128);
    return guesses;
  }
  void learn(std::size_t, std::size_t) override {}

 private:
  std::vector<Token> truth_;
  std::size_t right_;
};

TEST(Session, GuessesChangeNothingButTheNumberOfSteps) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  const auto start = prompt(12, 4);
  for (const float temperature : {0.0f, 1.2f}) {
    const auto request = [&] {
      Request one = greedy(start, 40);
      one.sampling.temperature = temperature;
      one.sampling.seed = 7;
      return one;
    };
    const Answer plain = Session(engine).generate(request());
    auto truth = start;
    truth.insert(truth.end(), plain.tokens.begin(), plain.tokens.end());
    for (const std::size_t right : {0, 2, 100}) {
      Session session(engine);
      Request guessed = request();
      guessed.drafter = std::make_unique<Oracle>(truth, right);
      const Answer answer = session.generate(std::move(guessed));
      EXPECT_EQ(answer.tokens, plain.tokens) << right << " at " << temperature;
      EXPECT_GT(answer.usage.drafted_tokens, 0u);
      EXPECT_EQ(answer.usage.accepted_tokens > 0, right > 0);
      EXPECT_EQ(right == 100, answer.usage.accepted_tokens == answer.usage.drafted_tokens);
      // The cache holds the prompt and all but the last token, as without guesses.
      EXPECT_EQ(session.tokens().size(), start.size() + answer.tokens.size() - 1);
    }
    Request lookup = request();
    lookup.drafter = prompt_lookup();
    EXPECT_EQ(Session(engine).generate(std::move(lookup)).tokens, plain.tokens);
  }
}

TEST(DraftLength, RestsWhereGuessesFailAndGrowsWhereTheyComeTrue) {
  DraftLength length;
  for (int i = 0; i < 20; ++i) {
    const std::size_t count = length.next(100);
    length.learn(count, count);
  }
  EXPECT_EQ(length.next(100), 7u);
  std::size_t proposed = 0;
  for (int i = 0; i < 200; ++i) {
    const std::size_t count = length.next(100);
    length.learn(count, 0);
    proposed += count;
  }
  EXPECT_LT(proposed, 100u);
  EXPECT_GT(proposed, 0u);
}

TEST(Session, FullContextShiftsWhenAsked) {
  HEARTH_NEEDS_SHARED();
  const auto engine = Engine::open(tests::shared() / "conformance/gguf/llama-dense.gguf",
                                   {.threads = 2, .context = 32, .shift = true, .sink = 4});
  Session session(engine);
  const Answer answer = session.generate(greedy(prompt(20, 2), 100));
  EXPECT_EQ(answer.tokens.size(), 100u);
  EXPECT_EQ(answer.reason, FinishReason::length);
  const auto start = prompt(20, 2);
  EXPECT_TRUE(std::equal(start.begin(), start.begin() + 4, session.tokens().begin()));
  EXPECT_LE(session.tokens().size(), 32u);
}

// Where max_tokens, or the context where it does not shift, ends an answer, a grammar that could go on ends in time.
TEST(Session, GrammarsEndInTheTokensLeft) {
  HEARTH_NEEDS_SHARED();
  std::vector<std::string> letters;
  for (int letter = 0; letter < 128; ++letter) letters.push_back(std::string(1, char(letter)));
  letters[100] = "((((";
  const auto table = std::make_shared<const sample::TokenTable>(letters, std::vector<Token>{0});
  const auto grammar = sample::parse_gbnf("root ::= \"(\" root{1,3} \")\" | [a-w] root | \"x\"");
  for (const bool shift : {false, true}) {
    const auto engine = Engine::open(tests::shared() / "conformance/gguf/llama-dense.gguf",
                                     {.threads = 2, .context = 48, .shift = shift, .sink = 4});
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      for (const std::size_t most : {7, 30, 90}) {
        Request request = greedy(prompt(12, 3), most);
        request.sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed};
        request.constraint = sample::grammar_constraint(table, grammar);
        if (seed % 2) request.drafter = prompt_lookup();
        Session session(engine);
        const Answer answer = session.generate(std::move(request));
        std::string text;
        for (const Token token : answer.tokens) text += letters[token];
        EXPECT_TRUE(grammar.matches(text)) << text;
        EXPECT_EQ(answer.reason, FinishReason::stop);
        EXPECT_LE(answer.tokens.size(), shift ? most : std::min<std::size_t>(most, 37));
      }
    }
  }
}

TEST(Session, SavesAndLoadsItsCache) {
  HEARTH_NEEDS_SHARED();
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "cache.gguf";
  const auto engine = tiny();
  Session first(engine);
  EXPECT_THROW(first.save(path), Error);
  const Answer whole = first.generate(greedy(prompt(30, 1), 12));
  first.save(path);

  Session second(engine);
  second.load(path);
  const Answer again = second.generate(greedy(prompt(30, 1), 12));
  EXPECT_EQ(again.tokens, whole.tokens);
  EXPECT_EQ(again.usage.cached_tokens, 29u);

  Session small(engine, 20);
  EXPECT_THROW(small.load(path), Error);
  Session other(Engine::open(tests::shared() / "conformance/gguf/qwen2-dense.gguf", {.threads = 1, .context = 64}));
  EXPECT_THROW(other.load(path), Error);
  EXPECT_THROW(second.load(tests::shared() / "conformance/gguf/llama-dense.gguf"), Error);
  EXPECT_EQ(second.generate(greedy(prompt(30, 1), 12)).usage.cached_tokens, 29u);
}

TEST(Session, RefusesWhatMakesNoSense) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  Session session(engine);
  EXPECT_THROW(session.generate(greedy({}, 1)), Error);
  EXPECT_THROW(session.generate(greedy({1, 500}, 1)), Error);
  EXPECT_THROW(session.generate(greedy({-1}, 1)), Error);
  Request request = greedy({1}, 1);
  request.sampling.top_p = 7;
  EXPECT_THROW(session.generate(std::move(request)), Error);
  EXPECT_THROW(engine->tokenizer(), Error);
}

TEST(SmolLM2, AnswersAndStopsAtAStringAcrossTokens) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto engine = Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf");
  Session session(engine);
  const auto prompt = engine->tokenizer().encode("The capital of France is");
  const Answer answer = session.generate(greedy(prompt, 8));
  EXPECT_TRUE(answer.text.starts_with(" Paris")) << answer.text;

  const std::string stop = answer.text.substr(4, 7);  // from inside the first word into the next
  Request request = greedy(prompt, 8);
  request.stop = {"never met", stop};
  std::string streamed;
  const Answer cut = session.generate(std::move(request), [&](const Piece& piece) {
    streamed += piece.text;
    return true;
  });
  EXPECT_EQ(cut.text, answer.text.substr(0, 4));
  EXPECT_EQ(streamed, cut.text);
  EXPECT_EQ(cut.stop_string, stop);
  EXPECT_EQ(cut.reason, FinishReason::stop);
}

TEST(SmolLM2, ScreenedLogitsDrawTheSameTokens) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto open = [](bool screen) {
    return Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf", {.context = 256, .screen = screen});
  };
  const auto screened = open(true), whole = open(false);
  Session with(screened), without(whole);
  sample::Options nucleus, penalised{.temperature = 0.7f, .top_p = 0.4f, .repeat_penalty = 1.18f};
  for (sample::Options options : {sample::Options{.temperature = 0}, nucleus, penalised}) {
    options.seed = 7;
    const auto ask = [&] {
      Request request = greedy(whole->tokenizer().encode("Once upon a time, in a village by the sea,"), 120);
      request.ignore_end = true;
      request.sampling = options;
      return request;
    };
    EXPECT_EQ(with.generate(ask()).tokens, without.generate(ask()).tokens);
    with.clear();
    without.clear();
  }
  EXPECT_GT(screened->screened_bytes(), 10'000'000u);
  EXPECT_EQ(whole->screened_bytes(), 0u);

  // The same logits by both ways, in one engine: those that are not asked for are told from the whole ones.
  const auto cache = screened->model().new_cache(16);
  const std::size_t width = screened->model().vocabulary_size();
  const auto logits = [&](const model::ForwardOptions& options) {
    const Token token = 2683;
    const model::Segment segment{.cache = cache.get(), .tokens = {&token, 1}};
    std::vector<float> row(width);
    cache->truncate(0);
    screened->forward({&segment, 1}, {row.data(), 1, width}, options);
    return row;
  };
  const std::vector<float> all = logits({});
  std::vector<float> some = logits({.best = {.count = 40}});
  std::vector<float> order = all;
  std::ranges::nth_element(order, order.begin() + 39, std::greater<>{});
  std::size_t same = 0;
  for (std::size_t i = 0; i < width; ++i) {
    same += some[i] == all[i];
    if (all[i] >= order[39]) {
      EXPECT_EQ(some[i], all[i]);
    } else {
      ASSERT_LE(some[i], order[39]);
    }
  }
  EXPECT_LT(same, width / 10);
  EXPECT_EQ(logits({.care = ops::Care::nobody, .best = {.count = 40}}), all);  // whoever measures gets all
  std::size_t observed = 0;
  const model::Observer observer = [&](std::string_view, std::size_t, tensor::ConstRows) { ++observed; };
  EXPECT_EQ(logits({.observer = &observer, .best = {.count = 40}}), all);
  EXPECT_GT(observed, 100u);
}

// A grammar asks for any token there is: its answers are the same without a screen.
TEST(SmolLM2, AGrammarTakesAllLogits) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto engine = Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf", {.context = 128});
  Session session(engine);
  session.generate(greedy(engine->tokenizer().encode("Hello"), 40));  // completes the screen
  ASSERT_GT(engine->screened_bytes(), 0u);
  const auto constraint = [&] {  // nothing of which is likely
    return sample::grammar_constraint(engine->token_table(), sample::parse_gbnf("root ::= [\\u4e00-\\u9fff]{6}"));
  };
  Request request = greedy(engine->tokenizer().encode("The capital of France is"), 40);
  request.constraint = constraint();
  const Answer screened = session.generate(std::move(request));
  const auto whole =
      Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf", {.context = 128, .screen = false});
  Session other(whole);
  request = greedy(whole->tokenizer().encode("The capital of France is"), 40);
  request.constraint = constraint();
  EXPECT_EQ(screened.tokens, other.generate(std::move(request)).tokens);
}

TEST(SmolLM2, ConversationReusesItsCache) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  Chat chat(Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf"));
  chat.set_system("You are brief.");
  const Answer first = chat.say("Name a fruit.", greedy({}, 12));
  EXPECT_FALSE(first.text.empty());
  const Answer second = chat.say("Another one.", greedy({}, 12));
  EXPECT_GE(second.usage.cached_tokens, first.usage.prompt_tokens);
  EXPECT_EQ(chat.messages().size(), 5u);
  EXPECT_THROW(chat.say(std::string(200000, 'x'), greedy({}, 4)), Error);
  EXPECT_EQ(chat.messages().size(), 5u);
}

}  // namespace
}  // namespace hearth::engine
