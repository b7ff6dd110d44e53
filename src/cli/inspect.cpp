// hearth inspect: what is in a model file.
#include <fmt/format.h>

#include <map>

#include "base/utf8.h"
#include "cli/command.h"
#include "gguf/file.h"
#include "gguf/json.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t shown_elements = 8;  // of a long array

std::string dimensions(const gguf::Tensor& tensor) {
  return fmt::format("{}", fmt::join(tensor.shape, " x "));
}

struct Inspect {
  std::string model;
  bool tensors = false, json = false;

  void operator()() {
    const auto file = gguf::File::open(hub::find_model(model));
    const ordered_json metadata = gguf::to_json(file.metadata(), shown_elements);

    struct Total {
      std::size_t count = 0, bytes = 0;
    };
    std::map<std::string, Total> totals;
    std::uint64_t weights = 0, bytes = 0;
    for (const auto& tensor : file.tensors()) {
      Total& total = totals[std::string(tensor::info(tensor.type).name)];
      ++total.count;
      total.bytes += tensor.data.size();
      weights += tensor.elements();
      bytes += tensor.data.size();
    }
    const double bits = weights ? 8.0 * double(bytes) / double(weights) : 0;

    if (json) {
      ordered_json document{{"file", file.path().string()},
                            {"version", file.version()},
                            {"bytes", file.bytes()},
                            {"parts", file.parts()},
                            {"tensor_count", file.tensors().size()},
                            {"weights", weights},
                            {"bits_per_weight", bits},
                            {"metadata", metadata}};
      for (const auto& [type, total] : totals)
        document["types"][type] = {{"tensors", total.count}, {"bytes", total.bytes}};
      if (tensors) {
        document["tensors"] = ordered_json::array();
        for (const auto& tensor : file.tensors())
          document["tensors"].push_back({{"name", tensor.name},
                                         {"type", tensor::info(tensor.type).name},
                                         {"shape", tensor.shape},
                                         {"bytes", tensor.data.size()}});
      }
      return print_json(document);
    }

    fmt::print("{}: GGUF v{}, {} bytes in {} file{}\n", file.path().string(), file.version(), file.bytes(),
               file.parts(), file.parts() > 1 ? "s" : "");
    fmt::print("{} tensors, {:.1f} M weights, {:.2f} bits a weight:", file.tensors().size(), double(weights) / 1e6,
               bits);
    for (const auto& [type, total] : totals)
      fmt::print(" {} {} ({:.1f} MB)", total.count, type, double(total.bytes) / 1e6);
    fmt::print("\n\n");
    for (const auto& [key, value] : metadata.items()) {
      std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      if (text.size() > 200) text = text.substr(0, utf8_valid_prefix(std::string_view(text).substr(0, 200))) + " ...";
      fmt::print("{} = {}\n", key, text);
    }
    if (!tensors) return;
    fmt::print("\n");
    for (const auto& tensor : file.tensors())
      fmt::print("{:<40} {:<7} {:>20} {:>12}\n", tensor.name, tensor::info(tensor.type).name, dimensions(tensor),
                 tensor.data.size());
  }
};

}  // namespace

void add_inspect(CLI::App& app) {
  auto* command = app.add_subcommand("inspect", "a model file's metadata, tensors and sizes");
  auto run = std::make_shared<Inspect>();
  command->add_option("MODEL", run->model, "a .gguf file, or a name of the catalogue")->required();
  command->add_flag("--tensors", run->tensors, "every tensor too");
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
