#include "compress/selection.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "compress/mixture.h"
#include "compress/predictions.h"
#include "compress/working_copy.h"
#include "gguf/writer.h"

namespace hearth::compress {

namespace {

constexpr std::size_t measured_chunks = 8;

void check_chunks(const Calibration& calibration, std::size_t context) {
  const std::size_t tokens = calibration.tokens().size();
  if (context < 4 || tokens < context)
    throw Error(Code::bad_input, fmt::format("the calibration text has {} tokens", tokens), {},
                fmt::format("selecting needs a chunk of {} at least", std::max<std::size_t>(4, context)));
}

// The mean loss over the second halves of some chunks.
class Losses : public Predictions {
 public:
  Losses(const model::Model& model, ThreadPool& pool, const Calibration& calibration, CalibrationOptions options)
      : Predictions(model, pool, chunks_of(calibration, options), calibration.bos(), options.context,
                    options.context / 2),
        context_(options.context) {}

  double measure() {
    double sum = 0;
    std::size_t scored = 0;
    run([&](std::size_t at, tensor::ConstRows rows) {
      for (std::size_t i = 0; i < rows.count; ++i)
        if (const std::size_t next = at + i + 1; next % context_ != 0) {
          sum -= double(rows.row(i)[tokens()[next]]);
          ++scored;
        }
    });
    return sum / double(scored);
  }

 private:
  // Those after what other methods calibrate on; the last, where there are no more.
  static std::span<const Token> chunks_of(const Calibration& calibration, CalibrationOptions options) {
    check_chunks(calibration, options.context);
    const std::span<const Token> all(calibration.tokens());
    const std::size_t there = all.size() / options.context;
    const std::size_t count = std::min(measured_chunks, there), first = std::min(options.chunks, there - count);
    return all.subspan(first * options.context, count * options.context);
  }

  std::size_t context_;
};

// "blk.3.attn_q.weight" and "blk.3.attn_k.weight" are one part: they share their input.
std::string part_of(const std::string& tensor) {
  static const std::map<std::string, std::string, std::less<>> shared{
      {"attn_q", "attn_qkv"}, {"attn_k", "attn_qkv"},           {"attn_v", "attn_qkv"},
      {"ffn_gate", "ffn_up"}, {"ffn_gate_exps", "ffn_up_exps"}, {"ffn_gate_shexp", "ffn_up_shexp"},
  };
  if (!tensor.starts_with("blk.")) return tensor;
  const std::size_t kind = tensor.find('.', 4) + 1, end = tensor.find('.', kind);
  const auto found = shared.find(tensor.substr(kind, end - kind));
  return found == shared.end() ? tensor.substr(0, end) : tensor.substr(0, kind) + found->second;
}

}  // namespace

Selection select(std::span<const gguf::File> candidates, const Calibration& calibration, ThreadPool& pool,
                 const std::filesystem::path& folder, CalibrationOptions options,
                 const std::function<bool(std::size_t, std::size_t)>& progress) {
  HEARTH_CHECK(!candidates.empty());
  const gguf::File& first = candidates[0];
  const std::size_t count = first.tensors().size();
  for (const gguf::File& other : candidates) {
    HEARTH_CHECK(other.tensors().size() == count);
    for (std::size_t i = 0; i < count; ++i)
      HEARTH_CHECK(other.tensors()[i].name == first.tensors()[i].name &&
                   other.tensors()[i].type == first.tensors()[i].type);
  }
  std::vector<std::pair<std::string, std::vector<std::size_t>>> parts;  // in the order of their first tensors
  for (std::size_t i = 0; i < count; ++i) {
    const std::string part = part_of(first.tensors()[i].name);
    auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& one) { return one.first == part; });
    if (found == parts.end()) found = parts.insert(parts.end(), {part, {}});
    found->second.push_back(i);
  }
  std::ranges::stable_sort(parts, {}, [](const auto& one) { return layer_of(one.first); });

  WorkingCopy copy(first, folder, WorkingCopy::Form::as_it_is);
  Losses losses(copy.model(), pool, calibration, options);
  Selection selection{std::vector<std::size_t>(count, 0)};
  selection.loss_before = selection.loss = losses.measure();
  std::size_t done = 0;
  for (const auto& [name, tensors] : parts) {
    const auto take = [&](std::size_t candidate) {
      for (const std::size_t i : tensors)
        copy.replace(first.tensors()[i].name, candidates[candidate].tensors()[i].data);
    };
    const auto differs = [&](std::size_t candidate) {
      return std::any_of(tensors.begin(), tensors.end(), [&](std::size_t i) {
        return !std::ranges::equal(first.tensors()[i].data, candidates[candidate].tensors()[i].data);
      });
    };
    losses.advance_to(layer_of(name));
    std::size_t best = 0;
    for (std::size_t candidate = 1; candidate < candidates.size(); ++candidate) {
      if (!differs(candidate)) continue;
      take(candidate);
      if (const double loss = losses.measure(); loss < selection.loss) {
        selection.loss = loss;
        best = candidate;
      }
    }
    take(best);
    for (const std::size_t i : tensors) selection.candidate[i] = best;
    if (progress && !progress(++done, parts.size())) throw Error(Code::cancelled, "interrupted");
  }
  return selection;
}

QuantizeReport quantize_selected(const std::filesystem::path& in, const std::filesystem::path& out,
                                 const QuantizeOptions& options, const Progress& progress) {
  if (options.calibration.empty()) throw Error(Code::usage, "the method 'selection' needs --calibration TEXT");
  const auto start = std::chrono::steady_clock::now();
  // What makes it impossible is said before the long work.
  const Calibration calibration(in, options.calibration);
  if (calibration.model().is_encoder())
    throw Error(Code::unsupported, "an encoder makes no predictions to measure by", in.string(), "take another method");
  check_chunks(calibration, options.context);
  const std::filesystem::path folder = out.parent_path().empty() ? "." : out.parent_path();
  constexpr Method methods[] = {Method::importance, Method::feedback};
  std::vector<QuantizeReport> reports;
  std::vector<gguf::File>
      files;  // without names once open: the system removes them with the process, however that ends
  for (const Method method : methods) {
    const std::filesystem::path path = folder / fmt::format(".hearth-{}-{}", name(method), ::getpid());
    QuantizeOptions one = options;
    one.method = method;
    reports.push_back(quantize(in, path, one, progress));
    files.push_back(gguf::File::open(path));
    std::filesystem::remove(path);
  }
  ThreadPool pool(options.threads);
  const Selection selection =
      select(files, calibration, pool, folder, {options.context, options.chunks ? options.chunks : default_chunks},
             [&](std::size_t done, std::size_t of) { return !progress || progress("selection", done, of); });

  gguf::Metadata metadata = files[0].metadata();
  metadata.set("hearth.quantize.method", {std::string(name(Method::selection))});
  std::vector<gguf::TensorPlan> plans;
  for (const gguf::Tensor& tensor : files[0].tensors()) plans.push_back({tensor.name, tensor.type, tensor.shape});
  QuantizeReport report = reports[0];
  std::size_t next = 0;
  gguf::write(out, metadata, plans, [&](const gguf::TensorPlan&, const gguf::Sink& sink) {
    const std::size_t index = next++, from = selection.candidate[index];
    report.tensors[index] = reports[from].tensors[index];
    sink(files[from].tensors()[index].data);
  });
  report.bytes = std::filesystem::file_size(out);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace hearth::compress
