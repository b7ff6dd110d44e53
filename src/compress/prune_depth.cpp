// Leaves out the layers that change the residual stream least: the mean over tokens of 1 - cos(before, after).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "compress/importance.h"
#include "compress/mixture.h"
#include "compress/prune_plan.h"

namespace hearth::compress {

namespace {

class InfluenceTape : public model::Tape {
 public:
  explicit InfluenceTape(std::size_t layers) : influence(layers) {}

  void keep(model::Point point, std::size_t layer, tensor::ConstRows rows) override {
    if (point == model::Point::layer_input) {
      before_.assign(rows.count * rows.width, 0);
      for (std::size_t i = 0; i < rows.count; ++i)
        std::copy_n(rows.row(i), rows.width, before_.begin() + std::ptrdiff_t(i * rows.width));
    } else if (point == model::Point::layer_output) {
      HEARTH_CHECK(before_.size() == rows.count * rows.width);
      for (std::size_t i = 0; i < rows.count; ++i) {
        const float *a = before_.data() + i * rows.width, *b = rows.row(i);
        double ab = 0, aa = 0, bb = 0;
        for (std::size_t j = 0; j < rows.width; ++j) {
          ab += double(a[j]) * b[j];
          aa += double(a[j]) * a[j];
          bb += double(b[j]) * b[j];
        }
        influence[layer] += aa > 0 && bb > 0 ? 1 - ab / std::sqrt(aa * bb) : 0;
      }
    }
  }

  std::vector<double> influence;

 private:
  std::vector<float> before_;
};

bool all_alike(const std::vector<bool>& flags) {
  return std::adjacent_find(flags.begin(), flags.end(), std::not_equal_to<>()) == flags.end();
}

// An array with a value for each layer keeps those of the layers that stay.
gguf::Value without(const gguf::Value& value, const Indices& kept, std::size_t layers) {
  const auto* const array = std::get_if<gguf::Array>(&value.data);
  if (!array) return value;
  return {std::visit(
      [&](const auto& items) -> gguf::Array {
        if (items.size() != layers) return items;
        std::decay_t<decltype(items)> some;
        for (const std::uint32_t layer : kept) some.push_back(items[layer]);
        return some;
      },
      *array)};
}

}  // namespace

PrunePlan plan_depth(const PruneInput& input) {
  const model::Model& model = input.calibration.model();
  const model::Hyperparameters& h = model.hyperparameters();
  const std::string origin = input.file.path().string(), family = input.file.metadata().string("general.architecture");
  if (!all_alike(h.sliding) || !all_alike(h.rotated))
    throw Error(Code::unsupported, "its layers attend in a pattern, which leaving some out would shift", origin,
                "prune its width instead");
  const auto goes = static_cast<std::size_t>(std::lround(input.options.amount * double(h.layers)));
  if (goes == 0 || goes >= h.layers)
    throw Error(Code::usage, fmt::format("{} of {} layers would go", goes, h.layers), "--amount",
                "leave out at least one and not all");
  InfluenceTape tape(h.layers);
  run_chunks(model, input.pool, input.calibration.tokens(), input.calibration.bos(), input.chunks(), {}, input.progress,
             &tape);
  Indices order(h.layers);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return tape.influence[a] < tape.influence[b]; });

  PrunePlan plan;
  plan.layers_dropped.assign(order.begin(), order.begin() + std::ptrdiff_t(goes));
  std::sort(plan.layers_dropped.begin(), plan.layers_dropped.end());
  Indices kept(order.begin() + std::ptrdiff_t(goes), order.end());
  std::sort(kept.begin(), kept.end());
  plan.metadata = input.file.whole_metadata();
  plan.metadata.set(family + ".block_count", {static_cast<std::uint32_t>(kept.size())});
  for (const auto& [key, value] : input.file.metadata().entries())
    if (key.starts_with(family + "."))
      plan.metadata.set(key, key.ends_with(".block_count") ? *plan.metadata.find(key) : without(value, kept, h.layers));
  for (const gguf::Tensor& tensor : input.file.tensors()) {
    std::string name = tensor.name;
    if (name.starts_with("blk.")) {
      const std::size_t dot = name.find('.', 4);
      const auto layer = static_cast<std::uint32_t>(layer_of(name));
      const auto place = std::lower_bound(kept.begin(), kept.end(), layer);
      if (place == kept.end() || *place != layer) continue;
      name = fmt::format("blk.{}{}", place - kept.begin(), name.substr(dot));
    }
    plan.tensors.push_back({&tensor, name, {}, {}, {}, 0, 0});
  }
  return plan;
}

}  // namespace hearth::compress
