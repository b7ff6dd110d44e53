// Checkpoints as transformers saves them: imported, run, and held to its logits; and what is refused.
#include "convert/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../model/runner.h"
#include "base/error.h"
#include "drawn.h"
#include "model/adapter.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::convert {
namespace {

using tests::save;

using hearth::tests::read_json;
using hearth::tests::TemporaryFolder;
using nlohmann::json;

constexpr auto f32 = tensor::Type::f32;

// Imports `folder` and runs it.
std::vector<float> logits(const std::filesystem::path& folder, const std::vector<Token>& tokens, std::size_t& width,
                          std::size_t context) {
  const TemporaryFolder temporary;
  const auto out = temporary.path() / "model.gguf";
  import_folder(folder, out, {.type = f32, .threads = 2});
  hearth::tests::Runner runner(model::Model::open(out));
  width = runner.width();
  const auto cache = runner.model->is_encoder() ? nullptr : runner.model->new_cache(context, ops::KvType::f32);
  return runner.feed(cache.get(), tokens);
}

void expect_rows(const std::filesystem::path& folder, const json& tokens, const json& rows) {
  std::size_t width = 0;
  const auto ids = tokens.get<std::vector<Token>>();
  const auto got = logits(folder, ids, width, ids.size());
  hearth::tests::expect_rows(rows, got, width, 1e-6);
}

// HEARTH_CHECKPOINTS names a folder of more of them, each with its expected.json (docs/how-to/add-a-family.md).
TEST(Checkpoint, EveryFamilyOfTransformersGivesItsLogits) {
  HEARTH_NEEDS_SHARED();
  std::vector<std::filesystem::path> folders = {hearth::tests::shared() / "conformance" / "huggingface"};
  if (const char* more = std::getenv("HEARTH_CHECKPOINTS")) folders.emplace_back(more);
  for (const auto& folder : folders)
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      SCOPED_TRACE(entry.path().filename().string());
      const json expected = read_json(entry.path() / "expected.json");
      EXPECT_NO_THROW(
          expect_rows(entry.path(), expected["tokens"], expected.value("logits", expected.value("hidden", json()))));
    }
}

std::vector<json> drawn_cases() {
  return read_json(std::filesystem::path(hearth::tests::source_dir()) / "tests/cases/checkpoints.json");
}

TEST(Checkpoint, EveryShapeOfAFamilyGivesTheLogitsOfTransformers) {
  for (const json& spec : drawn_cases()) {
    SCOPED_TRACE(spec["name"]);
    const TemporaryFolder folder;
    tests::save_drawn(folder.path(), spec);
    EXPECT_NO_THROW(expect_rows(folder.path(), spec["tokens"], spec["rows"]));
  }
}

// A small Llama, to change.
json tiny() {
  json spec = drawn_cases()[1];
  spec["config"]["num_hidden_layers"] = 1;
  for (auto tensor = spec["tensors"].begin(); tensor != spec["tensors"].end();)
    tensor = tensor.key().find("layers.1.") == std::string::npos ? std::next(tensor) : spec["tensors"].erase(tensor);
  return spec;
}

void expect_refusal(const std::filesystem::path& folder, Code code, const std::string& part,
                    const ImportOptions& options = {}) {
  const TemporaryFolder temporary;
  try {
    import_folder(folder, temporary.path() / "out.gguf", options);
    ADD_FAILURE() << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << "\nlacks: " << part;
  }
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path())) << part;
}

TEST(Checkpoint, NamesWhatIsWrongAndLeavesNoFile) {
  struct Case {
    json change;
    Code code;
    const char* part;
  };
  const std::string k = "model.layers.0.self_attn.k_proj.weight", up = "model.layers.0.mlp.up_proj.weight";
  const Case cases[] = {
      {{{"config", {{"architectures", {"Mamba2ForCausalLM"}}}}}, Code::unsupported, "Mamba2ForCausalLM"},
      {{{"config", {{"architectures", {"Mamba2ForCausalLM"}}}}}, Code::unsupported, "LlamaForCausalLM, "},
      {{{"config", {{"architectures", nullptr}}}}, Code::bad_input, "architectures"},
      {{{"config", {{"hidden_size", nullptr}}}}, Code::not_found, "hidden_size"},
      {{{"config", {{"num_hidden_layers", 2}}}}, Code::not_found, "blk.1."},
      {{{"config", {{"num_key_value_heads", 5}}}}, Code::bad_input, "5 key-value heads do not divide 6 heads"},
      {{{"config", {{"hidden_act", "relu"}}}}, Code::unsupported, "relu"},
      {{{"config", {{"quantization_config", {{"quant_method", "gptq"}}}}}}, Code::unsupported, "gptq"},
      {{{"config", {{"rope_parameters", {{"rope_type", "odd"}}}}}}, Code::unsupported, "odd"},
      {{{"config", {{"rope_parameters", {{"rope_type", "linear"}, {"factor", nullptr}}}}}}, Code::not_found, "factor"},
      {{{"tensors", {{k, {48, 47}}}}},
       Code::bad_input,
       "k_proj.weight has the shape [48, 47], the config asks for [48, 48]"},
      {{{"tensors", {{k, {47, 48}}}}},
       Code::bad_input,
       "k_proj.weight has the shape [47, 48], the config asks for [48, 48]"},
      {{{"tensors", {{up, nullptr}}}}, Code::not_found, "blk.0.ffn_up.weight"},
      {{{"tensors", {{"lm_head.weight", nullptr}}}}, Code::not_found, "lm_head.weight"},
      {{{"tensors", {{"model.layers.0.odd.weight", {2, 2}}}}}, Code::unsupported, "model.layers.0.odd.weight"},
      {{{"tensors", {{"model.layers.3.self_attn.k_proj.weight", {48, 48}}}}}, Code::bad_input, "a layer 3"},
  };
  for (const Case& one : cases) {
    json spec = tiny();
    spec.merge_patch(one.change);
    const TemporaryFolder folder;
    tests::save_drawn(folder.path(), spec);
    expect_refusal(folder.path(), one.code, one.part);
  }
  const TemporaryFolder folder;
  tests::save_drawn(folder.path(), tiny());
  expect_refusal(folder.path(), Code::unsupported, "I32", {.type = tensor::Type::i32});
  expect_refusal(folder.path(), Code::cancelled, "enough",
                 {.progress = [](std::uint64_t, std::uint64_t) { throw Error(Code::cancelled, "enough"); }});
  save(folder.path() / "tokenizer.json", R"({"model": {"type": "WordLevel"}})");
  expect_refusal(folder.path(), Code::unsupported, "WordLevel");
  expect_refusal(folder.path() / "nowhere", Code::not_found, "no such folder");
  const TemporaryFolder empty;
  expect_refusal(empty.path(), Code::not_found, "config.json");
}

TEST(Checkpoint, KeepsMatricesAsAskedAndTheRestAsF32) {
  const TemporaryFolder folder;
  tests::save_drawn(folder.path(), tiny());
  const auto out = folder.path() / "out.gguf";
  for (const auto type : {tensor::Type::bf16, tensor::Type::q8_0, tensor::Type::q4_0}) {
    const ImportResult result = import_folder(folder.path(), out, {.type = type});
    const auto file = gguf::File::open(out);
    EXPECT_EQ(result.architecture, "llama");
    EXPECT_EQ(result.tensors, file.tensors().size());
    EXPECT_EQ(result.bytes, std::filesystem::file_size(out));
    EXPECT_EQ(file.find("blk.0.attn_norm.weight")->type, f32);
    // 64 columns are two blocks, 48 none.
    EXPECT_EQ(file.find("blk.0.ffn_down.weight")->type, type);
    EXPECT_EQ(file.find("blk.0.ffn_up.weight")->type, type == tensor::Type::bf16 ? type : tensor::Type::f16);
  }
}

TEST(Checkpoint, IsWrittenThroughALink) {
  const TemporaryFolder folder;
  tests::save_drawn(folder.path(), tiny());
  const auto link = folder.path() / "link.gguf", real = folder.path() / "elsewhere" / "real.gguf";
  save(real, "old");
  std::filesystem::create_symlink("elsewhere/real.gguf", link);
  const ImportResult result = import_folder(folder.path(), link, {});
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(std::filesystem::file_size(real), result.bytes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(real.parent_path()), {}), 1);
}

TEST(Checkpoint, LeavesATiedOutputOut) {
  json spec = tiny();
  spec["config"]["tie_word_embeddings"] = true;
  const TemporaryFolder folder;
  tests::save_drawn(folder.path(), spec);
  const auto out = folder.path() / "out.gguf";
  import_folder(folder.path(), out);
  EXPECT_EQ(gguf::File::open(out).find("output.weight"), nullptr);
}

TEST(Checkpoint, CarriesPoolingOver) {
  const auto all = drawn_cases();
  const json spec = *std::find_if(all.begin(), all.end(), [](const json& one) { return one["name"] == "nomic-bert"; });
  for (const auto& [mode, number] :
       {std::pair{"pooling_mode_mean_tokens", 1u}, {"pooling_mode_cls_token", 2u}, {"pooling_mode_lasttoken", 3u}}) {
    const TemporaryFolder folder;
    tests::save_drawn(folder.path(), spec);
    save(
        folder.path() / "modules.json",
        R"([{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "1_Pooling"}, {"type": "a.Normalize"}])");
    save(folder.path() / "1_Pooling" / "config.json", json{{mode, true}}.dump());
    const auto out = folder.path() / "out.gguf";
    import_folder(folder.path(), out);
    EXPECT_EQ(gguf::File::open(out).metadata().integer("nomic-bert.pooling_type"), number);
    save(folder.path() / "1_Pooling" / "config.json", R"({"pooling_mode": "cls", "pooling_mode_cls_token": true})");
    import_folder(folder.path(), out);  // told twice
    EXPECT_EQ(gguf::File::open(out).metadata().integer("nomic-bert.pooling_type"), 2u);
    save(folder.path() / "1_Pooling" / "config.json", R"({"pooling_mode_max_tokens": true})");
    expect_refusal(folder.path(), Code::unsupported, "pooling_mode_max_tokens");
    save(folder.path() / "1_Pooling" / "config.json",
         R"({"pooling_mode_cls_token": true, "pooling_mode_max_tokens": false, "pooling_mode_mean_tokens": true})");
    expect_refusal(folder.path(), Code::unsupported, "by pooling_mode_cls_token and pooling_mode_mean_tokens");
    save(folder.path() / "modules.json", R"([{"type": "a.Dense", "path": "2_Dense"}])");
    expect_refusal(folder.path(), Code::unsupported, "a.Dense");
  }
}

// An adapter of every matrix of a small Llama, as PEFT saves it.
struct AdapterSpec {
  json config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 6}};
  std::vector<std::string> modules = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
};

constexpr std::uint64_t rank = 2;

void save_adapter(const std::filesystem::path& folder, const AdapterSpec& spec, const json& tensors) {
  tests::SafetensorsImage image;
  for (const std::string& module : spec.modules) {
    const std::string name = "model.layers.0." + module, prefix = "base_model.model." + name;
    const auto shape = tensors.at(name + ".weight").get<std::vector<std::uint64_t>>();
    const std::vector<std::uint64_t> a = {rank, shape[1]}, b = {shape[0], rank};
    image.add(prefix + ".lora_A.weight", "F32", a, tests::raw(tests::drawn(name + ".A", a)));
    image.add(prefix + ".lora_B.weight", "F32", b, tests::raw(tests::drawn(name + ".B", b)));
  }
  save(folder / "adapter_config.json", spec.config.dump());
  save(folder / "adapter_model.safetensors", image.image());
}

// The model with the adapter's products added to its weights.
void save_merged(const std::filesystem::path& folder, const AdapterSpec& spec, const json& base,
                 const std::function<double(const std::string&)>& scale) {
  tests::SafetensorsImage image;
  for (const auto& [name, shape] : base.at("tensors").items()) {
    const auto sizes = shape.get<std::vector<std::uint64_t>>();
    std::vector<float> values = tests::drawn(name, sizes);
    for (const std::string& module : spec.modules) {
      const std::string stem = "model.layers.0." + module;
      if (stem + ".weight" != name) continue;
      const auto a = tests::drawn(stem + ".A", {rank, sizes[1]}), b = tests::drawn(stem + ".B", {sizes[0], rank});
      for (std::uint64_t row = 0; row < sizes[0]; ++row)
        for (std::uint64_t column = 0; column < sizes[1]; ++column)
          for (std::uint64_t i = 0; i < rank; ++i)
            values[row * sizes[1] + column] +=
                static_cast<float>(scale(module)) * b[row * rank + i] * a[i * sizes[1] + column];
    }
    image.add(name, "F32", sizes, tests::raw(values));
  }
  save(folder / "config.json", base.at("config").dump());
  save(folder / "model.safetensors", image.image());
}

void expect_adapter(const AdapterSpec& spec, const std::function<double(const std::string&)>& scale) {
  const TemporaryFolder folder;
  const json base = tiny();
  tests::save_drawn(folder.path() / "base", base);
  save_adapter(folder.path() / "base" / "adapter", spec, base["tensors"]);
  save_merged(folder.path() / "merged", spec, base, scale);
  const auto tokens = base["tokens"].get<std::vector<Token>>();
  std::size_t width = 0;
  const auto expected = logits(folder.path() / "merged", tokens, width, tokens.size());

  import_folder(folder.path() / "base", folder.path() / "base.gguf", {.type = f32});
  hearth::tests::Runner runner(model::Model::open(folder.path() / "base.gguf"));
  // Its model is the folder above it, or the one that is given.
  for (const std::filesystem::path& given :
       {std::filesystem::path(), folder.path() / "base.gguf", folder.path() / "base"}) {
    const ImportResult result =
        import_folder(folder.path() / "base" / "adapter", folder.path() / "adapter.gguf", {.base = given});
    EXPECT_EQ(result.kind, "adapter");
    const auto adapter = model::Adapter::open(folder.path() / "adapter.gguf", *runner.model);
    const model::ActiveAdapter active{.adapter = adapter.get()};
    const auto cache = runner.model->new_cache(tokens.size(), ops::KvType::f32);
    const auto got = runner.feed(cache.get(), tokens, model::Segment::Want::all, {.adapters = {&active, 1}});
    EXPECT_LT(hearth::tests::normalised_error(got, expected), 1e-9);
  }
}

TEST(Adapter, DoesWhatItsMergedWeightsDo) {
  expect_adapter({}, [](const std::string&) { return 3.0; });
}

TEST(Adapter, KeepsTheScaleOfEachModule) {
  AdapterSpec spec;
  spec.config.update({{"use_rslora", true}, {"alpha_pattern", {{"q_proj", 4}}}});
  expect_adapter(spec, [](const std::string& module) { return (module.ends_with("q_proj") ? 4 : 6) / std::sqrt(2.0); });
}

TEST(Adapter, NamesWhatIsWrong) {
  const json base = tiny();
  const auto expect = [&](const json& config, Code code, const std::string& part, const json& tensors) {
    const TemporaryFolder folder;
    tests::save_drawn(folder.path() / "base", base);
    AdapterSpec spec;
    spec.config.update(config);
    save_adapter(folder.path() / "base" / "adapter", spec, tensors);
    expect_refusal(folder.path() / "base" / "adapter", code, part);
  };
  expect({{"use_dora", true}}, Code::unsupported, "DoRA", base["tensors"]);
  expect({{"modules_to_save", {"lm_head"}}}, Code::unsupported, "modules_to_save", base["tensors"]);
  expect({{"peft_type", "IA3"}}, Code::unsupported, "IA3", base["tensors"]);
  json other = base["tensors"];
  other["model.layers.0.self_attn.q_proj.weight"] = {144, 47};
  expect(json::object(), Code::bad_input, "another model", other);

  const TemporaryFolder folder;
  save_adapter(folder.path() / "alone" / "adapter", {}, base["tensors"]);
  expect_refusal(folder.path() / "alone" / "adapter", Code::not_found, "--base");
  std::filesystem::rename(folder.path() / "alone" / "adapter" / "adapter_model.safetensors",
                          folder.path() / "alone" / "adapter" / "adapter_model.bin");
  expect_refusal(folder.path() / "alone" / "adapter", Code::not_found, "adapter_model.bin");
}

}  // namespace
}  // namespace hearth::convert
