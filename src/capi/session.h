// A session behind its handle: one call at a time, cancelled from anywhere.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>

#include "capi/model.h"
#include "engine/chat.h"

namespace hearth::capi {

class Session {
 public:
  Session(std::shared_ptr<Model> model, std::size_t context)
      : model_(std::move(model)), chat_(model_->engine(), context) {}

  // One call's hold on the session. Throws Misuse: busy, or closed.
  class Use {
   public:
    explicit Use(std::shared_ptr<Session> session);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    engine::Chat& chat() noexcept { return session_->chat_; }
    std::stop_source& stop() noexcept { return stop_; }

   private:
    std::shared_ptr<Session> session_;
    std::stop_source stop_;
  };

  void cancel();
  void close();
  struct State {
    std::size_t used;
    bool busy;
  };
  State state() const;
  std::size_t context_length() const noexcept { return chat_.session().context_length(); }
  const std::shared_ptr<Model>& model() const noexcept { return model_; }

 private:
  const std::shared_ptr<Model> model_;
  engine::Chat chat_;

  mutable std::mutex mutex_;  // guards what follows
  Use* use_ = nullptr;
  bool closed_ = false;
  std::size_t used_ = 0;  // tokens held, when the last use ended
};

}  // namespace hearth::capi
