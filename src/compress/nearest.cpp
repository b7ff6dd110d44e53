// Least squared error, of the weights or weighted by how much their inputs matter.
#include <vector>

#include "compress/method.h"
#include "kernels/kernels.h"

namespace hearth::compress {

namespace {

class Nearest : public RowEncoder {
 public:
  Nearest(tensor::Type type, std::size_t columns, std::vector<float> importance)
      : encode_(kernels::active().encoders->encode[std::size_t(type)]),
        row_bytes_(tensor::row_bytes(type, columns)),
        importance_(std::move(importance)) {}

  void encode(tensor::ConstRows rows, std::byte* blocks) const override {
    for (std::size_t i = 0; i < rows.count; ++i)
      encode_(rows.row(i), importance_.empty() ? nullptr : importance_.data(), blocks + i * row_bytes_, rows.width);
  }

 private:
  decltype(tensor::TypeInfo::encode) encode_;
  std::size_t row_bytes_;
  std::vector<float> importance_;  // [columns], or empty
};

}  // namespace

std::unique_ptr<RowEncoder> nearest_encoder(tensor::Type type, std::size_t columns, const Importance* importance,
                                            MatrixName matrix) {
  std::vector<float> columns_matter;
  if (importance) columns_matter = importance->mean_squares(matrix.tensor, matrix.expert);
  return std::make_unique<Nearest>(type, columns, std::move(columns_matter));
}

}  // namespace hearth::compress
