#include "compress/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/sha256.h"
#include "compress/prune_plan.h"
#include "gguf/writer.h"

namespace hearth::compress {

using tensor::Type;

namespace {

constexpr std::size_t rows_at_once = 64;

bool is_changed(const PrunedTensor& one) {
  return !one.rows.empty() || !one.columns.empty() || one.zeros > 0;
}

gguf::TensorPlan planned(const PrunedTensor& one) {
  gguf::TensorPlan plan{one.name, one.source->type, one.source->shape};
  if (is_changed(one) && tensor::info(plan.type).block_weights > 1) plan.type = Type::f16;
  if (!one.columns.empty()) plan.shape[0] = one.columns.size();
  if (!one.rows.empty()) plan.shape[1] = one.rows.size();
  return plan;
}

// Returns how many became zero.
std::size_t mask(const PrunedTensor& one, std::span<float> row, Indices& order) {
  const std::size_t window = one.window ? one.window : row.size();
  for (std::size_t begin = 0; begin < row.size(); begin += window) {
    order.resize(window);
    std::iota(order.begin(), order.end(), static_cast<std::uint32_t>(begin));
    std::nth_element(order.begin(), order.begin() + std::ptrdiff_t(one.zeros), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) {
                       const float x = std::fabs(row[a]) * one.factors[a], y = std::fabs(row[b]) * one.factors[b];
                       return x < y || (x == y && a < b);
                     });
    for (std::size_t i = 0; i < one.zeros; ++i) row[order[i]] = 0;
  }
  return row.size() / window * one.zeros;
}

// Writes what stays of a tensor; returns how many of its weights are not masked.
std::uint64_t write_tensor(const PrunedTensor& one, const gguf::TensorPlan& plan, const gguf::Sink& sink) {
  const tensor::Matrix matrix = one.source->matrix();
  const std::size_t rows = one.rows.empty() ? matrix.rows : one.rows.size(), columns = plan.shape[0];
  const std::size_t row_bytes = tensor::row_bytes(plan.type, columns);
  std::vector<float> whole(matrix.columns), some(columns);
  std::vector<std::byte> blocks(rows_at_once * row_bytes);
  Indices order;
  std::uint64_t kept = rows * columns;
  for (std::size_t first = 0; first < rows; first += rows_at_once) {
    const std::size_t count = std::min(rows_at_once, rows - first);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = one.rows.empty() ? first + i : one.rows[first + i];
      tensor::info(matrix.type).decode(matrix.row(row), whole.data(), matrix.columns);
      for (std::size_t j = 0; j < columns; ++j) some[j] = whole[one.columns.empty() ? j : one.columns[j]];
      if (one.zeros > 0) kept -= mask(one, some, order);
      tensor::info(plan.type).encode(some.data(), nullptr, blocks.data() + i * row_bytes, columns);
    }
    sink(std::span(blocks).first(count * row_bytes));
  }
  return kept;
}

PrunePlan make_plan(const PruneInput& input) {
  switch (input.options.pruning) {
    case Pruning::depth:
      return plan_depth(input);
    case Pruning::width:
      return plan_width(input);
    default:
      return plan_masks(input);
  }
}

}  // namespace

std::string_view name(Pruning pruning) {
  constexpr std::string_view names[] = {"depth", "width", "wanda", "2:4"};
  return names[std::size_t(pruning)];
}

Pruning find_pruning(std::string_view wanted) {
  for (const Pruning one : {Pruning::depth, Pruning::width, Pruning::wanda, Pruning::wanda24})
    if (name(one) == wanted) return one;
  throw Error(Code::usage, fmt::format("no pruning '{}'", wanted), {}, "there are depth, width, wanda and 2:4");
}

PruneReport prune(const std::filesystem::path& in, const std::filesystem::path& out, const PruneOptions& options,
                  const Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  if (!(options.amount > 0 && options.amount < 1))
    throw Error(Code::usage, fmt::format("an amount of {} is no share between 0 and 1", options.amount), "--amount");
  gguf::check_writable(out, in, {options.calibration});
  const Calibration calibration(in, options.calibration);
  const gguf::File& file = calibration.model().file();
  ThreadPool pool(options.threads);
  const PruneInput input{file, calibration, pool, options, [&](std::size_t done, std::size_t of) {
                           return !progress || progress("calibration", done, of);
                         }};
  PrunePlan plan = make_plan(input);
  plan.metadata.set("hearth.prune.source", {file.path().filename().string()});
  plan.metadata.set("hearth.prune.source_sha256", {sha256_of(file.paths())});
  plan.metadata.set("hearth.prune.method", {std::string(name(options.pruning))});
  plan.metadata.set("hearth.prune.amount", {options.amount});
  plan.metadata.set("hearth.prune.calibration_sha256", {sha256_of(options.calibration)});

  PruneReport report;
  report.layers_dropped = plan.layers_dropped;
  for (const gguf::Tensor& tensor : file.tensors()) report.weights_before += tensor.elements();
  std::vector<gguf::TensorPlan> plans;
  for (const PrunedTensor& one : plan.tensors) plans.push_back(planned(one));
  std::size_t next = 0;
  gguf::write(out, plan.metadata, plans, [&](const gguf::TensorPlan& tensor, const gguf::Sink& sink) {
    const PrunedTensor& one = plan.tensors[next++];
    if (is_changed(one)) {
      report.weights_after += write_tensor(one, tensor, sink);
    } else {
      sink(one.source->data);
      report.weights_after += one.source->elements();
    }
    if (progress && !progress(tensor.name, next, plans.size())) throw Error(Code::cancelled, "interrupted");
  });
  report.bytes = std::filesystem::file_size(out);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace hearth::compress
