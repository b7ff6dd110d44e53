#include "compress/mixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <regex>

#include "base/error.h"

namespace hearth::compress {

using tensor::Type;

namespace {

// Which layers of a part a rule is for; `layers` is their number.
enum class Share {
  all,
  first_two,
  first_four,
  first_sixteenth,
  first_eighth,
  first_eighth_unweighted,  // without importance only
  first_eighth_weighted,    // with importance only
  more_bits,                // the first and last eighth, and every third between
  grouped_query,            // all, where four or more query heads share a key and value head
};

struct Rule {
  std::string_view part;  // of the tensor's name
  Share share;
  Type type;
};

}  // namespace

std::size_t layer_of(std::string_view tensor) {
  std::size_t layer = 0;
  if (tensor.starts_with("blk.")) std::from_chars(tensor.data() + 4, tensor.data() + tensor.size(), layer);
  return layer;
}

struct Mixture {
  std::string_view name;
  std::uint32_t file_type;
  Type base;
  std::vector<Rule> rules;  // the first that applies
};

namespace {

// Names, file types and which layers get more are those of files that others publish. [llama.cpp, llama-quantize]
const std::vector<Mixture>& mixtures() {
  static const std::vector<Mixture> table{
      {"F32", 0, Type::f32, {}},
      {"F16", 1, Type::f16, {}},
      {"BF16", 32, Type::bf16, {}},
      {"Q8_0", 7, Type::q8_0, {}},
      {"Q5_1", 9, Type::q5_1, {}},
      {"Q5_0", 8, Type::q5_0, {{"ffn_down", Share::first_eighth_weighted, Type::q5_1}}},
      {"Q4_1", 3, Type::q4_1, {}},
      {"Q4_0", 2, Type::q4_0, {{"ffn_down", Share::first_eighth_weighted, Type::q4_1}}},
      {"Q2_K",
       10,
       Type::q2_k,
       {{"attn_v.weight", Share::grouped_query, Type::q4_k},
        {"attn_v.weight", Share::all, Type::q3_k},
        {"ffn_down", Share::all, Type::q3_k},
        {"attn_output.weight", Share::all, Type::q3_k}}},
      {"Q2_K_S",
       21,
       Type::q2_k,
       {{"attn_v.weight", Share::grouped_query, Type::q4_k}, {"ffn_down", Share::first_eighth, Type::q4_k}}},
      {"Q3_K_S", 11, Type::q3_k, {}},
      {"Q3_K_M",
       12,
       Type::q3_k,
       {{"attn_v.weight", Share::first_two, Type::q5_k},
        {"attn_v.weight", Share::all, Type::q4_k},
        {"ffn_down", Share::first_sixteenth, Type::q5_k},
        {"ffn_down", Share::all, Type::q4_k},
        {"attn_output.weight", Share::all, Type::q4_k},
        {"attn_qkv.weight", Share::all, Type::q4_k}}},
      {"Q3_K_L",
       13,
       Type::q3_k,
       {{"attn_v.weight", Share::all, Type::q5_k},
        {"ffn_down", Share::all, Type::q5_k},
        {"attn_output.weight", Share::all, Type::q5_k},
        {"attn_qkv.weight", Share::all, Type::q4_k}}},
      {"Q4_K_S",
       14,
       Type::q4_k,
       {{"attn_v.weight", Share::first_four, Type::q5_k}, {"ffn_down", Share::first_eighth, Type::q5_k}}},
      {"Q4_K_M",
       15,
       Type::q4_k,
       {{"attn_v.weight", Share::more_bits, Type::q6_k},
        {"ffn_down", Share::more_bits, Type::q6_k},
        {"attn_qkv.weight", Share::all, Type::q5_k}}},
      {"Q5_K_S", 16, Type::q5_k, {}},
      {"Q5_K_M",
       17,
       Type::q5_k,
       {{"attn_v.weight", Share::more_bits, Type::q6_k},
        {"ffn_down", Share::more_bits, Type::q6_k},
        {"attn_qkv.weight", Share::all, Type::q6_k}}},
      {"Q6_K", 18, Type::q6_k, {}},
      {"IQ4_NL",
       25,
       Type::iq4_nl,
       {{"attn_v.weight", Share::grouped_query, Type::q5_k}, {"ffn_down", Share::first_eighth_unweighted, Type::q5_k}}},
      {"IQ4_XS",
       30,
       Type::iq4_xs,
       {{"attn_v.weight", Share::grouped_query, Type::q5_k}, {"ffn_down", Share::first_eighth_unweighted, Type::q5_k}}},
      {"MXFP4", 38, Type::mxfp4, {}},
  };
  return table;
}

// Other names that are in use.
struct Alias {
  std::string_view name, meaning;
};
constexpr Alias aliases[] = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}, {"MXFP4_MOE", "MXFP4"}};

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

struct ModelShape {
  std::size_t layers = 0, experts = 0, queries_a_head = 1;
  bool has_output = false;

  explicit ModelShape(const gguf::File& file) {
    const gguf::Metadata& metadata = file.metadata();
    const std::string family = metadata.string("general.architecture", "");
    layers = metadata.integer(family + ".block_count", 0);
    experts = metadata.integer(family + ".expert_count", 0);
    const auto heads = metadata.integers(family + ".attention.head_count"),
               heads_kv = metadata.integers(family + ".attention.head_count_kv");
    if (!heads.empty() && !heads_kv.empty() && heads_kv[0] > 0)
      queries_a_head = static_cast<std::size_t>(std::max<std::int64_t>(1, heads[0] / heads_kv[0]));
    has_output = file.find("output.weight") != nullptr;
  }
};

bool applies(Share share, std::size_t layer, const ModelShape& shape, bool has_importance) {
  const std::size_t layers = shape.layers, eighth = layers / 8;
  switch (share) {
    case Share::all:
      return true;
    case Share::first_two:
      return layer < 2;
    case Share::first_four:
      return layer < 4;
    case Share::first_sixteenth:
      return layer < layers / 16;
    case Share::first_eighth:
      return layer < eighth;
    case Share::first_eighth_unweighted:
      return layer < eighth && !has_importance;
    case Share::first_eighth_weighted:
      return layer < eighth && has_importance;
    case Share::more_bits:
      return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
    case Share::grouped_query:
      return shape.queries_a_head >= 4;
  }
  return false;
}

bool is_embedding(std::string_view name) {
  return name == "token_embd.weight";
}
// Where the two are one matrix, it is the output.
bool is_output(std::string_view name, const ModelShape& shape) {
  return name == "output.weight" || (is_embedding(name) && !shape.has_output);
}

Type type_of(const gguf::Tensor& tensor, const Mixture& mixture, const ModelShape& shape, bool has_importance) {
  const std::string_view name = tensor.name;
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (tensor::info(mixture.base).block_weights == 1) return mixture.base;
  if (is_output(name, shape)) {
    if (tensor.shape[0] % 256 || mixture.base == Type::mxfp4 || mixture.base == Type::q8_0) return Type::q8_0;
    return Type::q6_k;
  }
  if (shape.experts == 8) {  // attention is a small share of such a model, and every token uses it
    if (has("attn_v.weight") || has("attn_k.weight")) return Type::q8_0;
    if (has("attn_output.weight") && tensor::info(mixture.base).block_weights == 256 && mixture.base != Type::q5_k &&
        mixture.base != Type::q6_k)
      return Type::q5_k;
  }
  for (const Rule& rule : mixture.rules)
    if (has(rule.part) && applies(rule.share, layer_of(name), shape, has_importance)) return rule.type;
  return mixture.base;
}

}  // namespace

const Mixture& find_mixture(std::string_view name) {
  for (const Alias& alias : aliases)
    if (same_name(alias.name, name)) return find_mixture(alias.meaning);
  for (const Mixture& mixture : mixtures())
    if (same_name(mixture.name, name)) return mixture;
  throw Error(Code::usage, fmt::format("no type '{}'", name), {},
              fmt::format("there are {}", fmt::join(type_names(), ", ")));
}

std::string_view name(const Mixture& mixture) {
  return mixture.name;
}
std::uint32_t file_type(const Mixture& mixture) {
  return mixture.file_type;
}

std::vector<std::string_view> type_names() {
  std::vector<std::string_view> names;
  for (const Mixture& mixture : mixtures()) names.push_back(mixture.name);
  return names;
}

// Routers, norms, places and small tables of recurrent parts are left alone, as everybody's quantisers do.
bool is_compressible(const gguf::Tensor& tensor) {
  const std::string_view name = tensor.name;
  const auto dimensions = std::count_if(tensor.shape.begin(), tensor.shape.end(), [](auto size) { return size > 1; });
  if (!name.ends_with("weight") || tensor.shape.size() < 2 || dimensions < 2 || tensor.type == Type::i32) return false;
  for (const std::string_view part : {"_norm.weight", "ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d",
                                      "shortconv", "attn_rel_b", "time_mix", "altup", "laurel", "rope_f"})
    if (name.find(part) != std::string_view::npos) return false;
  return true;
}

Type that_fits(Type type, std::uint64_t columns) {
  const auto fits = [&](Type one) { return columns % tensor::info(one).block_weights == 0; };
  if (fits(type)) return type;
  Type instead = Type::f16;
  switch (type) {
    case Type::q2_k:
    case Type::q3_k:
    case Type::iq4_xs:
      instead = Type::iq4_nl;
      break;
    case Type::q4_k:
      instead = Type::q5_0;
      break;
    case Type::q5_k:
      instead = Type::q5_1;
      break;
    case Type::q6_k:
      instead = Type::q8_0;
      break;
    default:
      break;
  }
  return fits(instead) ? instead : Type::f16;
}

std::vector<std::optional<Type>> asked_types(const gguf::File& file, const QuantizeOptions& options) {
  std::vector<std::regex> patterns;
  for (const TypeOverride& override : options.overrides) try {
      patterns.emplace_back(override.pattern);
    } catch (const std::regex_error& error) {
      throw Error(Code::usage, fmt::format("'{}' is no regular expression ({})", override.pattern, error.what()));
    }
  const ModelShape shape(file);
  std::vector<std::optional<Type>> types;
  std::vector<bool> met(patterns.size());
  std::vector<std::string_view> kept(patterns.size());  // a tensor that the pattern fits and that stays as it is
  for (const gguf::Tensor& tensor : file.tensors()) {
    std::optional<Type>& asked = types.emplace_back();
    const bool compressible = is_compressible(tensor);
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!std::regex_search(tensor.name, patterns[i])) continue;
      if (compressible || tensor.type == options.overrides[i].type)
        met[i] = true;
      else
        kept[i] = tensor.name;
      if (compressible && !asked) asked = options.overrides[i].type;
    }
    if (!compressible) continue;
    if (!asked && is_output(tensor.name, shape)) asked = options.output_type;
    if (!asked && is_embedding(tensor.name)) asked = options.embedding_type;
    if (!asked || tensor.shape[0] % tensor::info(*asked).block_weights == 0) continue;
    throw Error(Code::unsupported,
                fmt::format("{} takes rows in blocks of {} weights, and those of {} have {}", tensor::info(*asked).name,
                            tensor::info(*asked).block_weights, tensor.name, tensor.shape[0]),
                file.path().string(),
                fmt::format("{} would hold it", tensor::info(that_fits(*asked, tensor.shape[0])).name));
  }
  for (std::size_t i = 0; i < met.size(); ++i)
    if (!met[i])
      throw Error(Code::usage,
                  fmt::format("'{}' fits no tensor of the model{}", options.overrides[i].pattern,
                              kept[i].empty() ? "" : fmt::format(" that is compressed, only such as {}", kept[i])),
                  file.path().string(), "hearth inspect --tensors lists them");
  return types;
}

std::vector<Type> plan_types(const gguf::File& file, const QuantizeOptions& options, bool has_importance) {
  const Mixture& mixture = find_mixture(options.type);
  const ModelShape shape(file);
  const std::vector<std::optional<Type>> asked = asked_types(file, options);
  std::vector<Type> types;
  for (const gguf::Tensor& tensor : file.tensors()) {
    if (!is_compressible(tensor))
      types.push_back(tensor.type);
    else
      types.push_back(
          asked[types.size()].value_or(that_fits(type_of(tensor, mixture, shape, has_importance), tensor.shape[0])));
  }
  return types;
}

}  // namespace hearth::compress
