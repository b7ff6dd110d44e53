// hearth import: a Hugging Face checkpoint or PEFT adapter to GGUF.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "convert/checkpoint.h"
#include "tensor/encode.h"

namespace hearth::cli {

namespace {

std::string known_types() {
  std::string names;
  for (const tensor::TypeInfo& info : tensor::types())
    if (tensor::encoder(info.type)) names.append(names.empty() ? "" : ", ").append(info.name);
  return names;
}

struct Import {
  std::string folder, out, type, base;
  std::size_t threads = 0;
  bool json = false;

  void operator()() {
    convert::ImportOptions options{.base = base, .threads = threads};
    if (!type.empty()) {
      const tensor::TypeInfo* info = tensor::find_type(type);
      if (!info || !tensor::encoder(info->type))
        throw Error(Code::usage, "unknown type " + type, "--type", "known are " + known_types());
      options.type = info->type;
    }
    Progress progress;
    const Interrupt interrupt;
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      if (interrupt.asked()) throw Error(Code::cancelled, "interrupted");
      progress.show(fmt::format("{}%", done * 100 / std::max<std::uint64_t>(total, 1)));
    };
    const convert::ImportResult result = convert::import_folder(folder, out, options);
    progress.clear();
    if (json)
      return print_json({{"file", out},
                         {"kind", result.kind},
                         {"architecture", result.architecture},
                         {"tensors", result.tensors},
                         {"weights", result.weights},
                         {"bytes", result.bytes}});
    fmt::print("{}: {} of the family {}, {} tensors, {:.1f} M weights, {:.1f} MB\n", out, result.kind,
               result.architecture, result.tensors, double(result.weights) / 1e6, double(result.bytes) / 1e6);
  }
};

}  // namespace

void add_import(CLI::App& app) {
  auto* command = app.add_subcommand("import", "a Hugging Face checkpoint or PEFT adapter to GGUF");
  auto run = std::make_shared<Import>();
  command->add_option("DIR", run->folder, "the folder of config.json or adapter_config.json")->required();
  command->add_option("OUT", run->out, "the .gguf file to write")->required();
  command->add_option("--type", run->type, "what matrices are kept in (F16, an adapter F32): " + known_types());
  command->add_option("--base", run->base, "an adapter's model: its folder or .gguf file");
  add_threads(*command, run->threads);
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
