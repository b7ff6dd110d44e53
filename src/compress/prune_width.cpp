// Leaves out neurons of the feed-forward parts: those whose output, by how loud they are and how much the down matrix
// makes of them, is least.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "compress/importance.h"
#include "compress/mixture.h"
#include "compress/prune_plan.h"
#include "model/weights.h"

namespace hearth::compress {

namespace {

constexpr std::size_t grain = 32;  // neurons that stay are a multiple: rows of blocks

// The length of each column.
std::vector<double> column_norms(const gguf::Tensor& tensor) {
  const tensor::Matrix matrix = tensor.matrix();
  std::vector<double> sums(matrix.columns);
  std::vector<float> row(matrix.columns);
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    tensor::info(matrix.type).decode(matrix.row(i), row.data(), matrix.columns);
    for (std::size_t j = 0; j < matrix.columns; ++j) sums[j] += double(row[j]) * row[j];
  }
  for (double& sum : sums) sum = std::sqrt(sum);
  return sums;
}

}  // namespace

PrunePlan plan_width(const PruneInput& input) {
  const model::Model& model = input.calibration.model();
  const model::Hyperparameters& h = model.hyperparameters();
  const std::string origin = input.file.path().string(), family = input.file.metadata().string("general.architecture");
  if (!model.weights().layers.empty() && !model.weights().layers[0].experts.up.empty())
    throw Error(Code::unsupported, "neurons of experts are not pruned", origin, "prune its depth instead");
  const auto wanted = static_cast<std::size_t>(std::lround((1 - input.options.amount) * double(h.feed_forward)));
  const std::size_t stay = (wanted + grain / 2) / grain * grain;
  if (stay == 0 || stay >= h.feed_forward)
    throw Error(Code::usage, fmt::format("{} of {} neurons would stay", stay, h.feed_forward), "--amount",
                fmt::format("multiples of {} can", grain));
  const Importance importance = measure_importance(model, input.pool, input.calibration.tokens(),
                                                   input.calibration.bos(), input.chunks(), {}, input.progress);

  PrunePlan plan;
  plan.metadata = input.file.whole_metadata();
  plan.metadata.set(family + ".feed_forward_length", {static_cast<std::uint32_t>(stay)});
  std::vector<Indices> kept(h.layers);
  for (std::size_t layer = 0; layer < h.layers; ++layer) {
    const std::string down = fmt::format("blk.{}.ffn_down.weight", layer);
    const gguf::Tensor* const tensor = input.file.find(down);
    const std::vector<float> loudness = importance.mean_squares(down, 0);
    if (!tensor || loudness.size() != h.feed_forward)
      throw Error(Code::unsupported, fmt::format("no {} to prune by", down), origin);
    const std::vector<double> norms = column_norms(*tensor);
    Indices order(h.feed_forward);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::sqrt(double(loudness[a])) * norms[a] > std::sqrt(double(loudness[b])) * norms[b];
    });
    kept[layer].assign(order.begin(), order.begin() + std::ptrdiff_t(stay));
    std::sort(kept[layer].begin(), kept[layer].end());
  }
  for (const gguf::Tensor& tensor : input.file.tensors()) {
    PrunedTensor one{&tensor, tensor.name, {}, {}, {}, 0, 0};
    if (const std::size_t at = tensor.name.find(".ffn_"); tensor.name.starts_with("blk.") && at != std::string::npos) {
      const Indices& some = kept.at(layer_of(tensor.name));
      const std::string_view part = std::string_view(tensor.name).substr(at + 1);
      const bool is_vector = tensor.shape.size() == 1;
      if (part == "ffn_down.weight") {
        one.columns = some;
      } else if (part.starts_with("ffn_gate.") || part.starts_with("ffn_up.")) {
        Indices rows = some;
        const std::uint64_t outputs = tensor.shape.back();
        if (outputs == 2 * h.feed_forward)  // gate and up in one
          for (const std::uint32_t neuron : some) rows.push_back(neuron + static_cast<std::uint32_t>(h.feed_forward));
        (is_vector ? one.columns : one.rows) = rows;
      } else if (part.starts_with("ffn_act.")) {
        one.columns = some;
      }
    }
    plan.tensors.push_back(std::move(one));
  }
  return plan;
}

}  // namespace hearth::compress
