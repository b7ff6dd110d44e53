#include "compress/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>

#include "base/error.h"
#include "base/sha256.h"
#include "compress/budget.h"
#include "compress/calibration.h"
#include "compress/feedback.h"
#include "compress/importance.h"
#include "compress/method.h"
#include "compress/mixture.h"
#include "compress/selection.h"
#include "gguf/writer.h"
#include "kernels/kernels.h"
#include "tensor/encode.h"

namespace hearth::compress {

using tensor::Type;

namespace {

constexpr std::size_t band_bytes = std::size_t{16} << 20;        // of weights as float32, in work at once
constexpr std::uint64_t hessian_bytes = std::uint64_t{2} << 30;  // gathered in one pass over the calibration

// Rows of a matrix as float32. Throws bad_input for what is no number.
void decode_rows(const tensor::Matrix& matrix, std::size_t first, std::size_t count, float* out,
                 const std::string& name, const std::string& origin) {
  const std::size_t weights = count * matrix.columns;
  if (matrix.type == Type::f16)
    kernels::vectors().decode_row[std::size_t(kernels::RowType::f16)](matrix.row(first), weights, out);
  else
    tensor::info(matrix.type).decode(matrix.row(first), out, weights);
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < weights; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, out + i, sizeof bits);
    largest = std::max(largest, bits & 0x7fffffffu);
  }
  if (largest >= 0x7f800000u)
    throw Error(Code::bad_input, fmt::format("tensor {} holds weights that are no finite numbers", name), origin);
}

// Half precision is the scale of all but these.
bool reaches_float_range(Type type) {
  return type == Type::f32 || type == Type::bf16 || type == Type::mxfp4;
}

// A model's hash, reckoned on a thread of its own.
class HashBeside {
 public:
  explicit HashBeside(const gguf::File& file)
      : result_(std::async(std::launch::async, [this, paths = file.paths()] { return sha256_of(paths, &stop_); })) {}
  ~HashBeside() { stop_ = true; }
  std::string get() { return result_.get(); }

 private:
  std::atomic<bool> stop_{false};
  std::future<std::string> result_;  // waits for the thread when it goes
};

class Compressor {
 public:
  Compressor(const std::filesystem::path& in, const std::filesystem::path& out, const QuantizeOptions& options,
             const Progress& progress)
      : file_(gguf::File::open(in)), options_(options), progress_(progress), pool_(options.threads) {
    const std::string kind = file_.metadata().string("general.type", "model");
    if (kind != "model")
      throw Error(Code::bad_input, fmt::format("general.type is '{}', not 'model'", kind), in.string());
    prepare_method();
    types_ = options_.target_bytes
                 ? types_for_budget(file_, options_.target_bytes, asked_types(file_, options_), *calibration_,
                                    *importance_, pool_, out.parent_path().empty() ? "." : out.parent_path(),
                                    calibration_progress("sensitivity"))
                 : plan_types(file_, options_, importance_.has_value());
    if (options_.method == Method::nearest) importance_.reset();
  }

  QuantizeReport run(const std::filesystem::path& out) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<gguf::TensorPlan> plans;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const gguf::Tensor& tensor = file_.tensors()[i];
      plans.push_back({tensor.name, types_[i], tensor.shape});
    }
    QuantizeReport report;
    HashBeside hash(file_);  // takes about as long as a thread's share of compressing
    const auto fill = [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
      const std::size_t index = report.tensors.size();
      const gguf::Tensor& tensor = file_.tensors()[index];
      TensorReport one{plan.name, tensor.type, plan.type, tensor.elements(), gguf::bytes(plan)};
      if (tensor.type == plan.type)
        copy(tensor, sink);
      else
        one.error = compress(index, sink);
      report.weights += one.weights;
      report.tensors.push_back(std::move(one));
      file_.release(tensor);
      if (progress_ && !progress_(plan.name, report.tensors.size(), plans.size()))
        throw Error(Code::cancelled, "interrupted");
    };
    gguf::write(out, metadata(std::string(64, '0')), plans, fill, [&] { return metadata(hash.get()); });
    report.bytes = std::filesystem::file_size(out);
    report.bits_per_weight = report.weights ? double(report.bytes) * 8 / double(report.weights) : 0;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

 private:
  std::function<bool(std::size_t, std::size_t)> calibration_progress(std::string_view what) const {
    return [this, what](std::size_t done, std::size_t of) { return !progress_ || progress_(what, done, of); };
  }

  void prepare_method() {
    std::uint64_t weights = 0;
    for (const gguf::Tensor& tensor : file_.tensors()) weights += tensor.elements();
    if (options_.target_bits) {
      if (!(*options_.target_bits > 0 && *options_.target_bits <= 32))
        throw Error(Code::usage, fmt::format("a target of {} bits a weight makes no sense", *options_.target_bits),
                    "--target-bits", "give more than 0 and at most 32");
      const auto bytes = static_cast<std::uint64_t>(*options_.target_bits * double(weights) / 8);
      options_.target_bytes = options_.target_bytes ? std::min(options_.target_bytes, bytes) : bytes;
    }
    const bool calibrated = !options_.calibration.empty();
    if (options_.method == Method::nearest && !options_.importance.empty())
      throw Error(Code::usage, "the method 'nearest' would ignore it", "--importance " + options_.importance.string(),
                  "leave one of the two out");
    if (options_.method == Method::importance && options_.importance.empty() && !calibrated)
      throw Error(Code::usage, "the method 'importance' needs --importance FILE or --calibration TEXT");
    if (options_.method == Method::feedback && !calibrated)
      throw Error(Code::usage, "the method 'feedback' needs --calibration TEXT");
    if (options_.target_bytes && !calibrated)
      throw Error(Code::usage, "a target needs --calibration TEXT to measure the tensors on");
    if (!options_.importance.empty()) {
      importance_ = Importance::read(options_.importance);
      importance_->check_against(file_, options_.importance.string());
    }
    if (options_.method == Method::nearest && !options_.target_bytes) return;
    if (!calibrated) return;
    calibration_.emplace(file_.path(), options_.calibration);
    const CalibrationOptions chunks{options_.context, options_.chunks ? options_.chunks : default_chunks};
    if (options_.method == Method::feedback)
      hessians_.emplace(calibration_->model(), pool_, calibration_->tokens(), calibration_->bos(), chunks);
    if (!importance_) {
      // Feedback has better from its Hessians, and asks only which tensors are multiplied with.
      const CalibrationOptions some{chunks.context, hessians_ && !options_.target_bytes ? 1 : chunks.chunks};
      importance_ = measure_importance(calibration_->model(), pool_, calibration_->tokens(), calibration_->bos(), some,
                                       options_.calibration.filename().string(), calibration_progress("calibration"));
    }
  }

  gguf::Metadata metadata(std::string source_sha256) const {
    gguf::Metadata metadata = file_.whole_metadata();
    const Mixture& mixture = find_mixture(options_.type);
    metadata.set("general.quantization_version", {std::uint32_t{2}});
    metadata.set("general.file_type", {file_type(mixture)});
    const auto note = [&](std::string_view key, std::string value) {
      metadata.set("hearth.quantize." + std::string(key), {std::move(value)});
    };
    note("source", file_.path().filename().string());
    note("source_sha256", std::move(source_sha256));
    note("type", std::string(name(mixture)));
    note("method", std::string(name(options_.method)));
    note("version", HEARTH_VERSION);
    if (!options_.importance.empty() && importance_) note("importance_sha256", sha256_of(options_.importance));
    if (calibration_) {
      note("calibration", options_.calibration.filename().string());
      note("calibration_sha256", sha256_of(options_.calibration));
    }
    return metadata;
  }

  static void copy(const gguf::Tensor& tensor, const gguf::Sink& sink) {
    for (std::size_t at = 0; at < tensor.data.size(); at += band_bytes)
      sink(tensor.data.subspan(at, std::min(band_bytes, tensor.data.size() - at)));
  }

  // Gathers the Hessians of this tensor and of as many after it as memory is set aside for.
  void gather_from(std::size_t index) {
    std::vector<std::string> group;
    std::uint64_t bytes = 0;
    for (; index < types_.size(); ++index) {
      const gguf::Tensor& tensor = file_.tensors()[index];
      if (!uses_feedback(index)) continue;
      bytes += hessians_->bytes(tensor);
      if (!group.empty() && bytes > hessian_bytes) break;
      group.push_back(tensor.name);
    }
    hessians_->gather(
        group, [&](std::size_t done, std::size_t of) { return !progress_ || progress_("calibration", done, of); });
    gathered_ = std::move(group);
  }

  // Where rounding is coarse enough for feedback to pay; embeddings are looked up, not multiplied with.
  bool uses_feedback(std::size_t index) const {
    const gguf::Tensor& tensor = file_.tensors()[index];
    return hessians_ && types_[index] != tensor.type && tensor::coding(types_[index]) &&
           importance_->matrices.contains(tensor.name);
  }

  std::unique_ptr<RowEncoder> encoder(std::size_t index, std::size_t expert) {
    const gguf::Tensor& tensor = file_.tensors()[index];
    const MatrixName matrix{tensor.name, expert};
    if (uses_feedback(index)) {
      if (std::find(gathered_.begin(), gathered_.end(), tensor.name) == gathered_.end()) gather_from(index);
      if (auto hessian = hessians_->find(matrix)) return feedback_encoder(types_[index], std::move(hessian), pool_);
    }
    return nearest_encoder(types_[index], tensor.shape[0], importance_ ? &*importance_ : nullptr, matrix);
  }

  double compress(std::size_t index, const gguf::Sink& sink) {
    const gguf::Tensor& tensor = file_.tensors()[index];
    const std::size_t experts = tensor.shape.size() > 2 ? tensor.shape[2] : 1;
    Loss loss;
    if (tensor.shape.size() > 3) {
      compress(index, tensor.matrix(), *encoder(index, 0), sink, loss);
    } else {
      for (std::size_t expert = 0; expert < experts; ++expert)
        compress(index, experts > 1 ? tensor.matrix(expert) : tensor.matrix(), *encoder(index, expert), sink, loss);
    }
    return loss.energy > 0 ? loss.error / loss.energy : 0;
  }

  struct Loss {
    double error = 0, energy = 0;
  };

  // Bands of rows, each cut into pieces that the threads take as they come.
  void compress(std::size_t index, const tensor::Matrix& matrix, const RowEncoder& rows, const gguf::Sink& sink,
                Loss& loss) {
    const Type type = types_[index];
    const tensor::TypeInfo& info = tensor::info(type);
    const std::string& name = file_.tensors()[index].name;
    const std::string origin = file_.path().string();
    const std::size_t row_bytes = tensor::row_bytes(type, matrix.columns), piece = rows.rows_at_once();
    const std::size_t band =
        std::max(piece * pool_.size(), band_bytes / (matrix.columns * sizeof(float)) / piece * piece);
    std::vector<std::byte> blocks(std::min(band, matrix.rows) * row_bytes);
    std::vector<Loss> losses(pool_.size());
    for (std::size_t first = 0; first < matrix.rows; first += band) {
      const std::size_t count = std::min(band, matrix.rows - first);
      std::atomic<std::size_t> next{0};
      pool_.run([&](std::size_t thread, std::size_t) {
        std::vector<float> weights(piece * matrix.columns), back(matrix.columns);
        for (std::size_t at; (at = next.fetch_add(piece)) < count;) {
          const std::size_t taken = std::min(piece, count - at);
          decode_rows(matrix, first + at, taken, weights.data(), name, origin);
          if (!reaches_float_range(type)) check_range(weights, name, info, origin);
          rows.encode({weights.data(), taken, matrix.columns}, blocks.data() + at * row_bytes);
          info.decode(blocks.data() + at * row_bytes, back.data(), matrix.columns);  // one row stands for the piece
          for (std::size_t i = 0; i < matrix.columns; ++i) {
            const double difference = double(weights[i]) - back[i];
            losses[thread].error += difference * difference;
            losses[thread].energy += double(weights[i]) * weights[i];
          }
        }
      });
      sink(std::span(blocks).first(count * row_bytes));
    }
    for (const Loss& one : losses) {
      loss.error += one.error;
      loss.energy += one.energy;
    }
  }

  static void check_range(std::span<const float> weights, const std::string& name, const tensor::TypeInfo& info,
                          const std::string& origin) {
    float largest = 0;
    for (const float weight : weights) largest = std::max(largest, std::fabs(weight));
    if (largest > 65504)
      throw Error(Code::unsupported,
                  fmt::format("tensor {} holds {}, beyond what {} reaches (65504)", name, largest, info.name), origin,
                  "keep it in F32 or BF16 with --tensor-type");
  }

  gguf::File file_;
  QuantizeOptions options_;
  const Progress& progress_;
  ThreadPool pool_;
  std::optional<Importance> importance_;
  std::optional<Calibration> calibration_;
  std::optional<HessianGatherer> hessians_;
  std::vector<std::string> gathered_;
  std::vector<Type> types_;
};

}  // namespace

std::string_view name(Method method) {
  constexpr std::string_view names[] = {"nearest", "importance", "feedback", "selection"};
  return names[std::size_t(method)];
}

Method find_method(std::string_view wanted) {
  for (const Method method : {Method::nearest, Method::importance, Method::feedback, Method::selection})
    if (name(method) == wanted) return method;
  throw Error(Code::usage, fmt::format("no method '{}'", wanted), {},
              "there are nearest, importance, feedback and selection");
}

QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options, const Progress& progress) {
  find_mixture(options.type);
  gguf::check_writable(out, in, {options.importance, options.calibration});
  if (options.method == Method::selection) return quantize_selected(in, out, options, progress);
  return Compressor(in, out, options, progress).run(out);
}

}  // namespace hearth::compress
