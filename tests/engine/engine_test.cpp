#include "engine/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "engine/chat.h"
#include "shared.h"

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
