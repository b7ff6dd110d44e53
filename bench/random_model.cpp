// Writes a Llama-shaped model of random weights, for measuring shapes that no package ships. The default is the "1B
// shape" of the benchmarks: 16 layers, width 2048, MLP 8192, 32 heads, 8 KV heads of 64, vocabulary 49152, tied.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "base/error.h"
#include "gguf/file.h"
#include "gguf/writer.h"
#include "tensor/type.h"

using namespace hearth;

namespace {

gguf::Value number(std::uint32_t value) {
  return {value};
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t layers = 16, width = 2048, feed_forward = 8192, heads = 32, heads_kv = 8, vocabulary = 49152,
                context = 8192;
  std::string type_name = "F16", tokenizer, out;
  CLI::App app("random weights in a model's shape");
  app.add_option("--layers", layers);
  app.add_option("--width", width);
  app.add_option("--feed-forward", feed_forward);
  app.add_option("--heads", heads);
  app.add_option("--heads-kv", heads_kv);
  app.add_option("--vocabulary", vocabulary);
  app.add_option("--context", context);
  app.add_option("--type", type_name, "the format of every matrix");
  app.add_option("--tokenizer-of", tokenizer, "a GGUF whose tokenizer it gets, so that it can be talked to");
  app.add_option("OUT", out)->required();
  CLI11_PARSE(app, argc, argv);

  try {
    const tensor::TypeInfo* type = tensor::find_type(type_name);
    if (!type || !type->encode) throw Error(Code::usage, "no such format", type_name);

    gguf::Metadata metadata;
    metadata.set("general.architecture", {std::string("llama")});
    metadata.set("general.name", {std::string("random weights")});
    metadata.set("llama.block_count", number(layers));
    metadata.set("llama.context_length", number(context));
    metadata.set("llama.embedding_length", number(width));
    metadata.set("llama.feed_forward_length", number(feed_forward));
    metadata.set("llama.attention.head_count", number(heads));
    metadata.set("llama.attention.head_count_kv", number(heads_kv));
    metadata.set("llama.attention.layer_norm_rms_epsilon", {1e-5f});
    metadata.set("llama.rope.dimension_count", number(width / heads));
    metadata.set("llama.vocab_size", number(vocabulary));
    if (tokenizer.empty()) {
      metadata.set("tokenizer.ggml.model", {std::string("no_vocab")});
    } else {
      const gguf::File from = gguf::File::open(tokenizer);
      for (const auto& [key, value] : from.metadata().entries())
        if (key.starts_with("tokenizer.")) metadata.set(key, value);
    }

    std::vector<gguf::TensorPlan> plans;
    const auto matrix = [&](std::string name, std::uint64_t columns, std::uint64_t rows) {
      plans.push_back({std::move(name), type->type, {columns, rows}});
    };
    const auto vector = [&](std::string name) { plans.push_back({std::move(name), tensor::Type::f32, {width}}); };
    const std::uint64_t kv_width = std::uint64_t(width) / heads * heads_kv;
    matrix("token_embd.weight", width, vocabulary);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      vector(prefix + "attn_norm.weight");
      matrix(prefix + "attn_q.weight", width, width);
      matrix(prefix + "attn_k.weight", width, kv_width);
      matrix(prefix + "attn_v.weight", width, kv_width);
      matrix(prefix + "attn_output.weight", width, width);
      vector(prefix + "ffn_norm.weight");
      matrix(prefix + "ffn_gate.weight", width, feed_forward);
      matrix(prefix + "ffn_up.weight", width, feed_forward);
      matrix(prefix + "ffn_down.weight", feed_forward, width);
    }
    vector("output_norm.weight");

    std::mt19937 random(1);
    gguf::write(out, metadata, plans, [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
      const std::size_t columns = plan.shape[0], rows = plan.shape.size() > 1 ? plan.shape[1] : 1;
      std::normal_distribution<float> normal(0, 1 / std::sqrt(float(columns)));
      std::vector<float> weights(columns, 1.0f);
      std::vector<std::byte> blocks(tensor::row_bytes(plan.type, columns));
      for (std::size_t row = 0; row < rows; ++row) {
        if (rows > 1)
          for (float& weight : weights) weight = normal(random);
        tensor::info(plan.type).encode(weights.data(), nullptr, blocks.data(), columns);
        sink(blocks);
      }
    });
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "random_model: error: %s\n", error.what());
    return 1;
  }
}
