// X^T X of what a weight matrix multiplies, over a calibration text: how errors of its columns act together.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compress/importance.h"
#include "compress/method.h"

namespace hearth::compress {

// [columns, columns], divided by the number of rows.
struct Hessian {
  std::size_t columns = 0;
  std::vector<float> values;

  float* row(std::size_t i) { return values.data() + i * columns; }
  const float* row(std::size_t i) const { return values.data() + i * columns; }
};

// Gathers the Hessians of a model's matrices, a group of tensors at a time; those that share their input share one.
class HessianGatherer {
 public:
  HessianGatherer(const model::Model& model, ThreadPool& pool, std::vector<Token> tokens, Token bos,
                  CalibrationOptions options);

  // Runs the text for `tensors`; what was gathered before is forgotten.
  void gather(std::vector<std::string> tensors, const std::function<bool(std::size_t, std::size_t)>& progress = {});
  // Null where no input reached this matrix.
  std::shared_ptr<const Hessian> find(MatrixName matrix) const;
  // Bytes that one tensor's Hessians take.
  std::uint64_t bytes(const gguf::Tensor& tensor) const;
  std::size_t chunks() const noexcept { return chunks_; }

 private:
  struct Sum {
    Hessian hessian;
    std::string owner;  // the tensor whose calls are counted
    double rows = 0;
  };
  void add(Sum& sum, tensor::ConstRows x);

  const model::Model& model_;
  ThreadPool& pool_;
  std::vector<Token> tokens_;
  Token bos_;
  CalibrationOptions options_;
  std::size_t chunks_ = 0;
  std::map<std::pair<std::string, std::size_t>, std::shared_ptr<Sum>> sums_;
  std::vector<float> transposed_;
};

}  // namespace hearth::compress
