#include "model/adapter.h"

#include "capi/arguments.h"
#include "capi/session.h"

namespace hearth::capi {

class Adapter {
 public:
  Adapter(std::shared_ptr<Model> model, const char* path)
      : model_(std::move(model)), weights_(model::Adapter::open(path, model_->engine()->model())) {}
  const std::shared_ptr<Model>& model() const noexcept { return model_; }
  const std::shared_ptr<const model::Adapter>& weights() const noexcept { return weights_; }

 private:
  std::shared_ptr<Model> model_;
  std::shared_ptr<const model::Adapter> weights_;
};

}  // namespace hearth::capi

using namespace hearth;
using namespace hearth::capi;

hearth_status hearth_adapter_open(hearth_model* model, const char* path, hearth_adapter** adapter,
                                  hearth_error** error) {
  return guard(error, [&] {
    need(adapter, "adapter");
    *adapter = nullptr;
    need(path, "path");
    *adapter = publish<hearth_adapter>(std::make_shared<Adapter>(get(model), path));
  });
}

void hearth_adapter_close(hearth_adapter* adapter) {
  take(adapter);
}

hearth_status hearth_session_set_adapters(hearth_session* session, hearth_adapter* const* adapters, const float* scales,
                                          size_t count, hearth_error** error) {
  return guard(error, [&] {
    const auto object = get(session);
    if (count > 0) need(adapters, "adapters");
    std::vector<engine::AdapterUse> used;
    for (std::size_t i = 0; i < count; ++i) {
      const auto adapter = get(adapters[i]);
      if (adapter->model() != object->model())
        throw Misuse(HEARTH_USAGE, fmt::format("adapter {} was opened for another model than the session's", i));
      const float scale = scales ? scales[i] : 1;
      if (!std::isfinite(scale)) throw Misuse(HEARTH_USAGE, fmt::format("the scale of adapter {} is {}", i, scale));
      if (scale != 0) used.push_back({adapter->weights(), scale});
    }
    Session::Use use(object);
    use.chat().session().set_adapters(std::move(used));
  });
}
