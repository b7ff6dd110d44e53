#include "compress/hessian.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/matmul.h"

namespace hearth::compress {

HessianGatherer::HessianGatherer(const model::Model& model, ThreadPool& pool, std::vector<Token> tokens, Token bos,
                                 CalibrationOptions options)
    : model_(model), pool_(pool), tokens_(std::move(tokens)), bos_(bos), options_(options) {}

std::uint64_t HessianGatherer::bytes(const gguf::Tensor& tensor) const {
  return tensor.shape[0] * tensor.shape[0] * sizeof(float) * (tensor.shape.size() > 2 ? tensor.shape[2] : 1);
}

// As a product of the transposed rows with themselves.
void HessianGatherer::add(Sum& sum, tensor::ConstRows x) {
  transposed_.resize(x.width * x.count);
  for (std::size_t i = 0; i < x.count; ++i)
    for (std::size_t j = 0; j < x.width; ++j) transposed_[j * x.count + i] = x.row(i)[j];
  const tensor::Matrix weight{tensor::Type::f32, reinterpret_cast<const std::byte*>(transposed_.data()), x.width,
                              x.count};
  const ops::Product product{
      .weight = weight, .output = {sum.hessian.values.data(), x.width, x.width}, .accumulate = true};
  ops::matmul(pool_, {transposed_.data(), x.width, x.count}, {&product, 1});
  sum.rows += double(x.count);
}

void HessianGatherer::gather(std::vector<std::string> tensors,
                             const std::function<bool(std::size_t, std::size_t)>& progress) {
  sums_.clear();
  std::sort(tensors.begin(), tensors.end());
  struct {
    const float* data = nullptr;
    std::vector<float> first, last;
    std::shared_ptr<Sum> sum;
  } before;
  const model::Observer observer = [&](std::string_view weight, std::size_t expert, tensor::ConstRows x) {
    if (!std::binary_search(tensors.begin(), tensors.end(), weight)) return;
    const std::size_t bytes = x.width * sizeof(float);
    std::shared_ptr<Sum>& sum = sums_[{std::string(weight), expert}];
    if (!sum) {
      const bool same_input = before.data == x.data && before.first.size() == x.width &&
                              !std::memcmp(before.first.data(), x.row(0), bytes) &&
                              !std::memcmp(before.last.data(), x.row(x.count - 1), bytes);
      if (same_input) {
        sum = before.sum;
      } else {
        sum = std::make_shared<Sum>();
        sum->hessian = {x.width, std::vector<float>(x.width * x.width)};
        sum->owner = weight;
      }
    }
    before = {x.data, {x.row(0), x.row(0) + x.width}, {x.row(x.count - 1), x.row(x.count - 1) + x.width}, sum};
    if (sum->owner == weight) add(*sum, x);
  };
  chunks_ = run_chunks(model_, pool_, tokens_, bos_, options_, observer, progress);
  for (auto& [key, sum] : sums_) {
    if (!(sum->rows > 0)) continue;
    const float factor = static_cast<float>(1 / sum->rows);
    for (float& value : sum->hessian.values) value *= factor;
    sum->rows = 0;  // done, for whoever shares it
  }
}

std::shared_ptr<const Hessian> HessianGatherer::find(MatrixName matrix) const {
  const auto found = sums_.find({std::string(matrix.tensor), matrix.expert});
  if (found == sums_.end()) return nullptr;
  return {found->second, &found->second->hessian};
}

}  // namespace hearth::compress
