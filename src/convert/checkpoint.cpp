#include "convert/checkpoint.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "convert/hyperparameters.h"
#include "convert/tensor_plan.h"
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

std::string class_of(const JsonObject& config) {
  const Json* classes = config.find({"architectures"});
  if (!classes || !classes->is_array() || classes->empty() || !(*classes)[0].is_string())
    config.fail("architectures does not name a class");
  return (*classes)[0].get<std::string>();
}

// Removes a file that was not moved away.
class Unfinished {
 public:
  explicit Unfinished(std::filesystem::path path) : path_(std::move(path)) {}
  ~Unfinished() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void finish(const std::filesystem::path& name) { std::filesystem::rename(path_, name); }

 private:
  std::filesystem::path path_;
};

}  // namespace

ImportResult import_folder(const std::filesystem::path& folder, const std::filesystem::path& out,
                           const ImportOptions& options) {
  if (!tensor::encoder(options.type))
    throw Error(Code::unsupported, fmt::format("nothing can be written as {}", tensor::info(options.type).name));
  if (!std::filesystem::is_directory(folder)) throw Error(Code::not_found, "no such folder", folder.string());
  const auto config_path = folder / "config.json";
  const JsonObject whole_config(read_json(config_path), config_path.string());
  const Family& family = find_family(class_of(whole_config), config_path.string());
  const JsonObject config = text_config(family, whole_config);
  const Dimensions d = dimensions(family, config);
  const Safetensors checkpoint = Safetensors::open(folder);
  const std::vector<PlannedTensor> planned = plan_tensors(family, config, d, checkpoint, options.type);

  ImportResult result{.kind = "model", .architecture = std::string(family.architecture)};
  gguf::Metadata metadata(folder.string());
  add_hyperparameters(family, config, d, metadata);
  metadata.set("general.type", {std::string("model")});
  metadata.set("general.file_type", {file_type(options.type)});
  metadata.set("general.quantization_version", {std::uint32_t{2}});
  metadata.set("tokenizer.ggml.model", {std::string("none")});

  std::vector<gguf::TensorPlan> plans;
  std::uint64_t total = 0, done = 0;
  for (const PlannedTensor& tensor : planned) {
    plans.push_back(tensor.plan);
    result.weights += tensor.rows() * tensor.columns();
    total += gguf::bytes(tensor.plan);
  }
  result.tensors = planned.size();

  ThreadPool pool(options.threads);
  Unfinished file(out.string() + ".unfinished");
  std::size_t next = 0;
  gguf::write(file.path(), metadata, plans, [&](const gguf::TensorPlan&, const gguf::Sink& sink) {
    produce(planned[next++], checkpoint, pool, [&](std::span<const std::byte> piece) {
      sink(piece);
      done += piece.size();
      if (options.progress) options.progress(done, total);
    });
  });
  {  // what this program cannot open is not left behind
    const MappedFile written(file.path());
    result.bytes = written.bytes().size();
    model::Model::open(gguf::File::parse(written.bytes(), folder.string()));
  }
  file.finish(out);
  return result;
}

}  // namespace hearth::convert
