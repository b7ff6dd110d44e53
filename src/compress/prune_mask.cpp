// Zeros for the weights whose magnitude times the size of their input is least in their row.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "compress/importance.h"
#include "compress/mixture.h"
#include "compress/prune_plan.h"

namespace hearth::compress {

PrunePlan plan_masks(const PruneInput& input) {
  const Importance importance = measure_importance(input.calibration.model(), input.pool, input.calibration.tokens(),
                                                   input.calibration.bos(), input.chunks(), {}, input.progress);
  PrunePlan plan;
  plan.metadata = input.file.whole_metadata();
  for (const gguf::Tensor& tensor : input.file.tensors()) {
    PrunedTensor one{&tensor, tensor.name, {}, {}, {}, 0, 0};
    const std::vector<float> squares = importance.mean_squares(tensor.name, 0);
    if (is_compressible(tensor) && !squares.empty() && tensor.shape.size() == 2) {
      for (const float square : squares) one.factors.push_back(std::sqrt(square));
      one.window = input.options.pruning == Pruning::wanda24 ? 4 : 0;
      one.zeros = one.window ? 2 : static_cast<std::size_t>(input.options.amount * double(tensor.shape[0]));
      if (one.window && tensor.shape[0] % one.window)
        throw Error(Code::unsupported, fmt::format("rows of {} are no multiple of four", tensor.name),
                    input.file.path().string());
    }
    plan.tensors.push_back(std::move(one));
  }
  return plan;
}

}  // namespace hearth::compress
