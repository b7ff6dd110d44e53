// hearth quantize: compresses a model file.
#include "compress/quantize.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

tensor::Type find_type(const std::string& name) {
  if (const tensor::TypeInfo* type = tensor::find_type(name); type && type->encode) return type->type;
  std::vector<std::string_view> known;
  for (const tensor::TypeInfo& type : tensor::types())
    if (type.encode) known.push_back(type.name);
  throw Error(Code::usage, fmt::format("no format '{}'", name), {},
              fmt::format("there are {}", fmt::join(known, ", ")));
}

// "90M", "1.5G", "120000000"
std::uint64_t read_size(const std::string& text) {
  std::size_t end = 0;
  double size = 0;
  try {
    size = std::stod(text, &end);
  } catch (const std::exception&) {
    end = std::string::npos;
  }
  const std::string unit = end == std::string::npos ? "?" : text.substr(end);
  const double factor = unit.empty() ? 1 : unit == "K" ? 1e3 : unit == "M" ? 1e6 : unit == "G" ? 1e9 : 0;
  if (!(size * factor >= 1 && size * factor < 1e15))
    throw Error(Code::usage, fmt::format("'{}' is no size", text), "--target-size", "write it as 90M or 1.2G");
  return static_cast<std::uint64_t>(size * factor);
}

struct QuantizeCommand {
  std::string in, out, method, output_type, embedding_type, target_size;
  std::vector<std::string> tensor_types;
  compress::QuantizeOptions options;
  bool json = false;

  void operator()() {
    if (method.empty()) method = options.importance.empty() ? "nearest" : "importance";
    options.method = compress::find_method(method);
    if (!output_type.empty()) options.output_type = find_type(output_type);
    if (!embedding_type.empty()) options.embedding_type = find_type(embedding_type);
    if (!target_size.empty()) options.target_bytes = read_size(target_size);
    for (const std::string& one : tensor_types) {
      const std::size_t equals = one.rfind('=');
      if (equals == std::string::npos || equals == 0)
        throw Error(Code::usage, fmt::format("'{}' is not PATTERN=TYPE", one), "--tensor-type");
      options.overrides.push_back({one.substr(0, equals), find_type(one.substr(equals + 1))});
    }
    const Interrupt interrupt;
    Progress progress;
    const auto report = compress::quantize(hub::find_model(in), out, options,
                                           [&](std::string_view what, std::size_t done, std::size_t of) {
                                             progress.show(fmt::format("{}/{} {}", done, of, what));
                                             return !interrupt.asked();
                                           });
    progress.clear();
    if (json) {
      nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
      for (const auto& tensor : report.tensors)
        tensors.push_back({{"name", tensor.name},
                           {"from", tensor::info(tensor.from).name},
                           {"to", tensor::info(tensor.to).name},
                           {"weights", tensor.weights},
                           {"bytes", tensor.bytes},
                           {"relative_error", std::sqrt(tensor.error)}});
      print_json({{"out", out},
                  {"type", options.type},
                  {"method", method},
                  {"bytes", report.bytes},
                  {"weights", report.weights},
                  {"bits_per_weight", report.bits_per_weight},
                  {"seconds", report.seconds},
                  {"tensors", tensors}});
      return;
    }
    std::map<std::string_view, std::pair<std::size_t, std::uint64_t>> kinds;
    for (const auto& tensor : report.tensors) {
      auto& [count, bytes] = kinds[tensor::info(tensor.to).name];
      ++count;
      bytes += tensor.bytes;
    }
    for (const auto& [kind, sums] : kinds)
      fmt::print("{:>8} {:4} tensors {:9.1f} MB\n", kind, sums.first, double(sums.second) / 1e6);
    fmt::print("{}: {:.1f} MB, {:.3f} bits a weight, in {:.1f} s\n", out, double(report.bytes) / 1e6,
               report.bits_per_weight, report.seconds);
  }
};

}  // namespace

void add_quantize(CLI::App& app) {
  auto* command = app.add_subcommand("quantize", "compresses a model file");
  auto run = std::make_shared<QuantizeCommand>();
  command->add_option("IN", run->in, "a GGUF file or a MODEL, of any type")->required();
  command->add_option("OUT", run->out, "the file to write")->required();
  command->add_option("--type", run->options.type, fmt::format("{}", fmt::join(compress::type_names(), ", ")))
      ->capture_default_str();
  command->add_option(
      "--method", run->method,
      "nearest, importance, feedback or selection (default: importance with --importance, else nearest)");
  command->add_option("--importance", run->options.importance, "a file of hearth importance (or llama.cpp's imatrix)");
  command->add_option("--calibration", run->options.calibration,
                      "a text to run the model on (importance, feedback, selection)");
  command->add_option("--context", run->options.context, "tokens in a chunk of it")->capture_default_str();
  command->add_option("--chunks", run->options.chunks, "at most so many chunks (default: 40)");
  command->add_option("--tensor-type", run->tensor_types, "PATTERN=TYPE for the tensors whose names fit (repeatable)");
  command->add_option("--output-type", run->output_type, "format of the output matrix");
  command->add_option("--embedding-type", run->embedding_type, "format of the token embeddings");
  command->add_option("--target-size", run->target_size, "choose formats so that the file is no larger (90M, 1.2G)");
  command->add_option("--target-bits", run->options.target_bits, "likewise, bits a weight (4.25)");
  add_threads(*command, run->options.threads);
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
