#include "compress/selection.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "compress/working_copy.h"
#include "gguf/writer.h"
#include "ops/activation.h"

namespace hearth::compress {

namespace {

constexpr std::size_t measured_chunks = 8;
constexpr std::size_t rows_at_once = 128;  // of logits

void check_chunks(const Calibration& calibration, std::size_t context) {
  const std::size_t tokens = calibration.tokens().size();
  if (context < 4 || tokens < context)
    throw Error(Code::bad_input, fmt::format("the calibration text has {} tokens", tokens), {},
                fmt::format("selecting needs a chunk of {} at least", std::max<std::size_t>(4, context)));
}

// The mean loss of a model's predictions over the second halves of some chunks.
class Losses {
 public:
  Losses(const model::Model& model, ThreadPool& pool, const Calibration& calibration, CalibrationOptions options)
      : model_(model),
        pool_(pool),
        bos_(calibration.bos()),
        context_(options.context),
        cache_(model.new_cache(options.context)),
        scratch_(model::Model::new_scratch()) {
    const auto& all = calibration.tokens();
    check_chunks(calibration, context_);
    const std::size_t there = all.size() / context_;
    const std::size_t count = std::min(measured_chunks, there), first = std::min(options.chunks, there - count);
    tokens_.assign(all.begin() + std::ptrdiff_t(first * context_),
                   all.begin() + std::ptrdiff_t((first + count) * context_));
    logits_.resize(rows_at_once * model.vocabulary_size());
  }

  double measure() {
    double sum = 0;
    std::size_t scored = 0;
    for (std::size_t at = 0; at < tokens_.size(); at += context_) {
      std::vector<Token> chunk(tokens_.begin() + std::ptrdiff_t(at), tokens_.begin() + std::ptrdiff_t(at + context_));
      if (bos_ != no_token) chunk[0] = bos_;
      const std::span<const Token> all(chunk);
      const std::size_t half = context_ / 2;
      cache_->truncate(0);
      forward(all.first(half), model::Segment::Want::none, {});
      for (std::size_t i = half; i + 1 < context_;) {
        const std::size_t count = std::min(rows_at_once, context_ - 1 - i);
        const tensor::Rows rows(logits_.data(), count, model_.vocabulary_size());
        forward(all.subspan(i, count), model::Segment::Want::all, rows);
        ops::log_softmax(pool_, rows);
        for (std::size_t k = 0; k < count; ++k) sum -= double(rows.row(k)[chunk[i + k + 1]]);
        scored += count;
        i += count;
      }
    }
    return sum / double(scored);
  }

 private:
  void forward(std::span<const Token> tokens, model::Segment::Want want, tensor::Rows out) {
    const model::Segment segment{.cache = cache_.get(), .tokens = tokens, .want = want};
    model_.forward(pool_, {&segment, 1}, *scratch_, out);
  }

  const model::Model& model_;
  ThreadPool& pool_;
  Token bos_;
  std::size_t context_;
  std::unique_ptr<model::KvCache> cache_;
  std::shared_ptr<model::Model::Scratch> scratch_;
  std::vector<Token> tokens_;
  std::vector<float> logits_;
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

// A file that goes when this does.
struct TemporaryFile {
  std::filesystem::path path;
  explicit TemporaryFile(std::filesystem::path where) : path(std::move(where)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
};

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
  std::vector<std::unique_ptr<TemporaryFile>> paths;
  std::vector<QuantizeReport> reports;
  std::vector<gguf::File> files;
  for (const Method method : methods) {
    paths.push_back(std::make_unique<TemporaryFile>(folder / fmt::format(".hearth-{}-{}", name(method), ::getpid())));
    QuantizeOptions one = options;
    one.method = method;
    reports.push_back(quantize(in, paths.back()->path, one, progress));
    files.push_back(gguf::File::open(paths.back()->path));
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
