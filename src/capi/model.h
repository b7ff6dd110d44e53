// An open model, shared by its handle, its sessions and its adapters.
#pragma once

#include <memory>

#include "capi/handles.h"
#include "engine/engine.h"

namespace hearth::capi {

class Model {
 public:
  explicit Model(std::shared_ptr<engine::Engine> engine) : engine_(std::move(engine)) {}
  const std::shared_ptr<engine::Engine>& engine() const noexcept { return engine_; }
  const gguf::Metadata& metadata() const noexcept { return engine_->model().file().metadata(); }

 private:
  std::shared_ptr<engine::Engine> engine_;
};

}  // namespace hearth::capi
