#include "engine/chat.h"

#include <algorithm>

#include "base/error.h"

namespace hearth::engine {

using nlohmann::ordered_json;

std::vector<Token> encode_chat(const Engine& engine, const ordered_json& messages, const ordered_json& extra) {
  const std::string prompt = engine.chat_prompt().render(messages, extra);
  const text::Tokenizer& tokenizer = engine.tokenizer();
  const std::string bos = tokenizer.bos() == no_token ? "" : tokenizer.piece(tokenizer.bos(), true);
  const bool has_bos = !bos.empty() && prompt.starts_with(bos);
  return tokenizer.encode(prompt, {.add_special = !has_bos, .goes_on = true, .parse_special = true});
}

ordered_json Chat::messages() const {
  ordered_json all = ordered_json::array();
  if (!system_.empty()) all.push_back({{"role", "system"}, {"content", system_}});
  for (const auto& turn : turns_) all.push_back(turn);
  return all;
}

std::vector<Token> Chat::encode_turns(const ordered_json& extra) {
  constexpr std::size_t answer_share = 4;  // of the context stays free for the answer
  const std::size_t context = session_.context_length();
  while (true) {
    std::vector<Token> prompt = encode_chat(session_.engine(), messages(), extra);
    const bool fits = prompt.size() < context - context / answer_share;
    if (fits || !session_.engine().options().shift || turns_.size() < 3) return prompt;
    turns_.erase(turns_.begin(), turns_.begin() + 2);
  }
}

void Chat::set_messages(ordered_json messages) {
  const auto is_message = [](const ordered_json& one) {
    return one.is_object() && one.contains("role") && one["role"].is_string();
  };
  if (!messages.is_array() || !std::all_of(messages.begin(), messages.end(), is_message))
    throw Error(Code::bad_input, "the conversation is no array of messages", {}, "give each a role and a content");
  std::string system;
  if (!messages.empty() && messages[0]["role"] == "system" && messages[0].contains("content") &&
      messages[0]["content"].is_string()) {
    system = messages[0]["content"];
    messages.erase(0);
  }
  system_ = std::move(system);
  turns_ = std::move(messages);
}

Answer Chat::say(std::string_view text, Request request, const Sink& sink, const ordered_json& extra) {
  const ordered_json before = turns_;
  turns_.push_back({{"role", "user"}, {"content", text}});
  try {
    request.prompt = encode_turns(extra);
    Answer answer = session_.generate(std::move(request), sink);
    turns_.push_back({{"role", "assistant"}, {"content", answer.text}});
    return answer;
  } catch (...) {
    turns_ = before;
    throw;
  }
}

void Chat::reset() {
  turns_ = ordered_json::array();
  session_.clear();
}

}  // namespace hearth::engine
