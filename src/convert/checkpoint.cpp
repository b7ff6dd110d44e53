#include "convert/checkpoint.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/scratch_file.h"
#include "base/thread_pool.h"
#include "convert/import.h"
#include "convert/model_card.h"
#include "convert/pooling.h"
#include "convert/vocabulary.h"
#include "gguf/file.h"
#include "model/model.h"
#include "tensor/encode.h"

namespace hearth::convert {

namespace {

// general.file_type: llama.cpp's numbers for files that are mostly of one type.
std::uint32_t file_type(tensor::Type type) {
  using tensor::Type;
  switch (type) {
    case Type::f32:
      return 0;
    case Type::f16:
      return 1;
    case Type::q4_0:
      return 2;
    case Type::q4_1:
      return 3;
    case Type::q8_0:
      return 7;
    case Type::q5_0:
      return 8;
    case Type::q5_1:
      return 9;
    case Type::q2_k:
      return 10;
    case Type::q3_k:
      return 11;
    case Type::q4_k:
      return 14;
    case Type::q5_k:
      return 16;
    case Type::q6_k:
      return 18;
    case Type::iq4_nl:
      return 25;
    case Type::iq4_xs:
      return 30;
    case Type::bf16:
      return 32;
    case Type::mxfp4:
      return 38;
    case Type::i32:
      break;
  }
  return 1024;
}

}  // namespace

std::string class_of(const JsonObject& config) {
  const Json* classes = config.find({"architectures"});
  if (!classes || !classes->is_array() || classes->empty() || !(*classes)[0].is_string())
    config.fail("architectures does not name a class");
  return (*classes)[0].get<std::string>();
}

Model read_model(const std::filesystem::path& config_path) {
  const JsonObject whole(read_json(config_path), config_path.string());
  const Family& family = find_family(class_of(whole), config_path.string());
  JsonObject config = text_config(family, whole);
  const Dimensions d = dimensions(family, config);
  return {.family = &family, .config = std::move(config), .dimensions = d};
}

std::uint64_t write_file(const std::filesystem::path& out, const gguf::Metadata& metadata,
                         const std::vector<PlannedTensor>& planned, const Safetensors& checkpoint,
                         const ImportOptions& options, const std::function<void(gguf::File)>& check) {
  std::vector<gguf::TensorPlan> plans;
  std::uint64_t total = 0, done = 0;
  for (const PlannedTensor& tensor : planned) {
    plans.push_back(tensor.plan);
    total += gguf::bytes(tensor.plan);
  }
  ThreadPool pool(options.threads);
  const std::filesystem::path target = AtomicFile(out).target();  // throws before the work what it would after it
  ScratchFile file(target.string() + ".unfinished");
  std::size_t next = 0;
  gguf::write(file.path(), metadata, plans, [&](const gguf::TensorPlan&, const gguf::Sink& sink) {
    produce(planned[next++], checkpoint, pool, [&](std::span<const std::byte> piece) {
      sink(piece);
      done += piece.size();
      if (options.progress) options.progress(done, total);
    });
  });
  const MappedFile written(file.path());
  check(gguf::File::parse(written.bytes(), metadata.origin()));
  file.keep_as(target);
  return written.bytes().size();
}

void check_type(tensor::Type type) {
  if (!tensor::encoder(type))
    throw Error(Code::unsupported, fmt::format("nothing can be written as {}", tensor::info(type).name));
}

namespace {

bool is_expert(const PlannedTensor& tensor) {
  return tensor.plan.name.find("_exps.") != std::string::npos;
}

ImportResult import_model(const std::filesystem::path& folder, const std::filesystem::path& out,
                          const ImportOptions& options) {
  const tensor::Type type = options.type.value_or(tensor::Type::f16);
  check_type(type);
  const Model model = read_model(folder / "config.json");
  const Safetensors checkpoint = Safetensors::open(folder);
  const auto planned = plan_tensors(*model.family, model.config, model.dimensions, checkpoint, type);

  ImportResult result{
      .kind = "model", .architecture = std::string(model.family->architecture), .tensors = planned.size()};
  WeightCount count{.expert_count = model.dimensions.experts};
  for (const PlannedTensor& tensor : planned) {
    count.all += tensor.rows() * tensor.columns();
    if (is_expert(tensor)) count.experts += tensor.rows() * tensor.columns();
  }
  result.weights = count.all;

  gguf::Metadata metadata(folder.string());
  metadata.set("general.architecture", {result.architecture});
  metadata.set("general.type", {std::string("model")});
  add_origin(folder, model.config, count, metadata);
  add_hyperparameters(*model.family, model.config, model.dimensions, metadata);
  add_pooling(folder, *model.family, metadata);
  metadata.set("general.file_type", {file_type(type)});
  metadata.set("general.quantization_version", {std::uint32_t{2}});
  add_tokenizer(folder, model.config, model.dimensions.vocabulary, metadata);
  // What this program cannot open is not left behind.
  result.bytes = write_file(out, metadata, planned, checkpoint, options,
                            [](gguf::File file) { model::Model::open(std::move(file)); });
  return result;
}

}  // namespace

ImportResult import_folder(const std::filesystem::path& folder, const std::filesystem::path& out,
                           const ImportOptions& options) {
  if (!std::filesystem::is_directory(folder)) throw Error(Code::not_found, "no such folder", folder.string());
  if (std::filesystem::exists(folder / "adapter_config.json")) return import_adapter(folder, out, options);
  if (!std::filesystem::exists(folder / "config.json"))
    throw Error(Code::not_found, "neither config.json nor adapter_config.json", folder.string());
  return import_model(folder, out, options);
}

}  // namespace hearth::convert
