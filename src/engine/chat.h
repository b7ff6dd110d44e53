// A conversation: messages rendered by the model's template, answers kept, the cache reused from turn to turn.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.h"

namespace hearth::engine {

// Renders and encodes messages; the template's own BOS is not doubled by the tokenizer's. `extra` as in
// ChatPrompt::render.
std::vector<Token> encode_chat(const Engine& engine, const nlohmann::ordered_json& messages,
                               const nlohmann::ordered_json& extra = nlohmann::ordered_json::object());

class Chat {
 public:
  explicit Chat(std::shared_ptr<Engine> engine, std::size_t context = 0) : session_(std::move(engine), context) {}

  // An empty text removes the system message. Takes effect with the next answer.
  void set_system(std::string text) { system_ = std::move(text); }
  // `request.prompt` is filled in here. On an error the conversation is as it was before. Where the engine shifts full
  // contexts, the oldest turns are forgotten when all of them no longer fit; else that is an error (too_long).
  // `extra` is what the template sees besides: tools, say.
  Answer say(std::string_view text, Request request, const Sink& sink = {},
             const nlohmann::ordered_json& extra = nlohmann::ordered_json::object());
  void reset();  // the system message stays

  // System message first, where there is one.
  nlohmann::ordered_json messages() const;
  // Replaces all of it. Throws bad_input where it is no array of messages.
  void set_messages(nlohmann::ordered_json messages);
  const Session& session() const noexcept { return session_; }
  Session& session() noexcept { return session_; }  // to generate beside the conversation
  void set_adapters(std::vector<AdapterUse> adapters) { session_.set_adapters(std::move(adapters)); }

 private:
  std::vector<Token> encode_turns(const nlohmann::ordered_json& extra);

  Session session_;
  std::string system_;
  nlohmann::ordered_json turns_ = nlohmann::ordered_json::array();
};

}  // namespace hearth::engine
