// The tokenizer's files to tokenizer.* of a GGUF file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "convert/lines.h"
#include "convert/vocabulary.h"

namespace hearth::convert {

namespace {

JsonObject optional_object(const std::filesystem::path& path) {
  Json json = read_json_if_there(path);
  return JsonObject(json.is_null() ? Json::object() : std::move(json), path.string());
}

// tokenizer.json as it would be, of the files that tokenizers had before it.
Json old_wordpiece(const std::filesystem::path& folder, const JsonObject& settings) {
  Json vocab = Json::object();
  const MappedFile file(folder / "vocab.txt");
  const auto lines = lines_of(file.text());
  for (std::size_t i = 0; i < lines.size(); ++i) vocab[std::string(lines[i])] = i;
  Json added = Json::array();
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (vocab.contains(name)) added.push_back({{"id", vocab[name]}, {"content", name}, {"special", true}});
  return {{"model", {{"type", "WordPiece"}, {"vocab", std::move(vocab)}}},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"lowercase", settings.boolean("do_lower_case", true)},
            {"strip_accents", settings.json().value("strip_accents", Json())},
            {"handle_chinese_chars", settings.boolean("tokenize_chinese_chars", true)}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"added_tokens", std::move(added)}};
}

Json old_byte_pairs(const std::filesystem::path& folder) {
  Json merges = Json::array();
  const MappedFile file(folder / "merges.txt");
  for (const std::string_view line : lines_of(file.text()))
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(line);
  return {{"model", {{"type", "BPE"}, {"vocab", read_json(folder / "vocab.json")}, {"merges", std::move(merges)}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}}};
}

class Assembler {
 public:
  Assembler(const std::filesystem::path& folder, const JsonObject& config)
      : folder_(folder),
        config_(config),
        settings_(optional_object(folder / "tokenizer_config.json")),
        special_map_(optional_object(folder / "special_tokens_map.json")),
        generation_(optional_object(folder / "generation_config.json")),
        vocabulary_(folder.string()) {}

  // False where there is no tokenizer.
  bool read() {
    const bool json = has("tokenizer.json"), pieces = has("tokenizer.model");
    if (json)
      vocabulary_ = read_tokenizer_json(folder_ / "tokenizer.json");
    else if (!pieces && has("vocab.txt"))
      vocabulary_ = parse_tokenizer_json(old_wordpiece(folder_, settings_), (folder_ / "vocab.txt").string());
    else if (!pieces && has("vocab.json") && has("merges.txt")) {
      vocabulary_ = parse_tokenizer_json(old_byte_pairs(folder_), (folder_ / "vocab.json").string());
      // How it cuts words stands in the code of its class alone.
      if (settings_.string("tokenizer_class", "") == "Qwen2Tokenizer") {
        vocabulary_.pre = "qwen2";
        vocabulary_.composes = true;
      }
    } else if (!pieces)
      return refuse_others();
    if (pieces && (!json || vocabulary_.model == "llama")) read_pieces(json);
    add_configured_tokens();
    return true;
  }

  void write(std::uint64_t size, gguf::Metadata& metadata) {
    left_out_ = vocabulary_.fill(size);
    metadata.set("tokenizer.ggml.model", {vocabulary_.model});
    metadata.set("tokenizer.ggml.pre", {vocabulary_.pre});
    if (!vocabulary_.exact_pre.empty()) metadata.set(text::exact_pre_key, {vocabulary_.exact_pre});
    write_roles(metadata);
    if (vocabulary_.model == "bert") mark_word_beginnings();
    write_flags(metadata);
    if (!vocabulary_.space_prefix.empty()) metadata.set(text::space_prefix_key, {vocabulary_.space_prefix});
    if (vocabulary_.keeps_outer_spaces) metadata.set(text::keeps_outer_spaces_key, {true});
    if (vocabulary_.composes) metadata.set(text::composes_key, {true});
    if (!vocabulary_.cleans) metadata.set(text::cleans_key, {false});
    if (vocabulary_.strips_all_marks) metadata.set(text::strips_all_marks_key, {true});
    if (!vocabulary_.parts_chinese) metadata.set(text::parts_chinese_key, {false});
    if (vocabulary_.model == "bert" && !vocabulary_.add_eos.value_or(adds_bos_by_class()))
      metadata.set(text::add_separator_key, {false});
    write_stripping(text::strip_left_key, vocabulary_.strip_left, metadata);
    write_stripping(text::strip_right_key, vocabulary_.strip_right, metadata);
    if (!vocabulary_.charsmap.empty())
      metadata.set("tokenizer.ggml.precompiled_charsmap",
                   {gguf::Array(std::vector<std::uint8_t>(vocabulary_.charsmap.begin(), vocabulary_.charsmap.end()))});
    if (vocabulary_.model == "llama" || vocabulary_.model == "t5")
      metadata.set("tokenizer.ggml.scores", {gguf::Array(std::move(vocabulary_.scores))});
    std::vector<std::int32_t> kinds;
    for (const text::TokenKind kind : vocabulary_.kinds) kinds.push_back(static_cast<std::int32_t>(kind));
    metadata.set("tokenizer.ggml.token_type", {gguf::Array(std::move(kinds))});
    if (vocabulary_.model == "gpt2")  // which may have none and must say so
      metadata.set("tokenizer.ggml.merges", {gguf::Array(std::move(vocabulary_.merges))});
    metadata.set("tokenizer.ggml.tokens", {gguf::Array(std::move(vocabulary_.tokens))});
  }

  void write_templates(gguf::Metadata& metadata) const {
    constexpr std::string_view key = "tokenizer.chat_template";
    if (has("chat_template.jinja")) {
      Json list = {{{"name", "default"}, {"template", MappedFile(folder_ / "chat_template.jinja").text()}}};
      for (const auto& path : additional_templates())
        list.push_back({{"name", path.stem().string()}, {"template", MappedFile(path).text()}});
      return write_named_templates(list, folder_.string(), metadata);
    }
    const JsonObject other = optional_object(folder_ / "chat_template.json");
    for (const JsonObject* owner : {&settings_, &other}) {
      const Json* found = owner->find({"chat_template"});
      if (!found) continue;
      if (found->is_string()) metadata.set(key, {found->get<std::string>()});
      if (found->is_array()) write_named_templates(*found, owner->origin(), metadata);
      if (!found->is_string() && !found->is_array()) owner->fail("chat_template is neither text nor list");
      return;
    }
  }

  // Without tokens past the model's end a chat would be plain text, and go on past its answers; without those before
  // each text it is as it should be where its template writes them.
  void check_left_out(const gguf::Metadata& metadata) const {
    const std::string chat = metadata.string("tokenizer.chat_template", "");
    if (chat.find(vocabulary_.prefix) == chat.npos)
      throw Error(Code::unsupported,
                  fmt::format("the tokenizer puts {} before a text and the chat template does not", vocabulary_.prefix),
                  folder_.string(), "a GGUF file has one such token");
    std::vector<std::string> needed = role_texts("bos");
    for (std::string& text : role_texts("eos")) needed.push_back(std::move(text));
    for (const std::string& text : left_out_)
      if (!text.empty() &&
          (chat.find(text) != chat.npos || std::find(needed.begin(), needed.end(), text) != needed.end()))
        throw Error(Code::bad_input, fmt::format("the model has no row for the token {}", text.substr(0, 80)),
                    folder_.string(), "resize its embeddings to the tokenizer");
  }

 private:
  bool has(std::string_view file) const { return std::filesystem::exists(folder_ / file); }

  bool refuse_others() const {
    for (const char* file : {"sentencepiece.bpe.model", "spiece.model", "tekken.json", "qwen.tiktoken"})
      if (has(file))
        throw Error(Code::unsupported, fmt::format("a tokenizer in {} alone", file), folder_.string(),
                    "save it with transformers, which writes tokenizer.json");
    return false;
  }

  // tokenizer.model has the scores; tokenizer.json, where it is there too, knows what was added.
  void read_pieces(bool json) {
    const auto path = folder_ / "tokenizer.model";
    Vocabulary pieces = read_sentencepiece(path);
    if (json) {
      for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
        const text::TokenKind kind = vocabulary_.kinds[id];
        if (id >= pieces.tokens.size() || kind == text::TokenKind::control || kind == text::TokenKind::user_defined)
          pieces.set(id, vocabulary_.tokens[id], kind, -1000);
      }
      pieces.strip_left = std::move(vocabulary_.strip_left);
      pieces.strip_right = std::move(vocabulary_.strip_right);
      pieces.space_prefix = vocabulary_.space_prefix;
      pieces.add_bos = vocabulary_.add_bos;
      pieces.add_eos = vocabulary_.add_eos;
      for (const auto& [role, text] : vocabulary_.roles) pieces.roles[role] = text;
    }
    vocabulary_ = std::move(pieces);
  }

  // Files that have no tokenizer.json list additions here; those that do repeat them.
  void add_configured_tokens() {
    Json list = Json::array();
    const JsonObject names = optional_object(folder_ / "added_tokens.json");
    for (const auto& [text, id] : names.json().items())
      if (!vocabulary_.find(text)) list.push_back({{"content", text}, {"id", id}});
    const JsonObject decoder = settings_.object("added_tokens_decoder");
    for (const auto& [id, token] : decoder.json().items()) {
      Json entry = token;
      if (!entry.is_object() || id.empty() || id.size() > 9 ||
          !std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; }))
        settings_.fail("added_tokens_decoder is no table of tokens by id");
      entry["id"] = std::stoull(id);
      list.push_back(std::move(entry));
    }
    add_tokens(list, settings_.origin(), vocabulary_);
  }

  // "##ing" goes on with a word, all else begins one: GGUF marks the beginnings.
  void mark_word_beginnings() {
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      std::string& token = vocabulary_.tokens[id];
      if (vocabulary_.kinds[id] != text::TokenKind::normal) continue;
      if (token.starts_with("##"))
        token.erase(0, 2);
      else
        token.insert(0, "▁");
    }
  }

  // A token's text at KEY, or that of an object's "content".
  static std::string content(const JsonObject& owner, const std::string& key) {
    const Json* entry = owner.find({key});
    if (!entry) return {};
    if (entry->is_object()) return owner.object(key).string("content", "");
    return entry->is_string() ? entry->get<std::string>() : std::string();
  }

  std::vector<std::uint64_t> ids(const JsonObject& owner, const std::string& key) const {
    std::vector<std::uint64_t> found;
    const Json* value = owner.find({key});
    if (!value) return found;
    for (const Json& one : value->is_array() ? *value : Json::array({*value}))
      if (one.is_number_unsigned() && one.get<std::uint64_t>() < vocabulary_.tokens.size())
        found.push_back(one.get<std::uint64_t>());
    return found;
  }

  // Whether the tokenizer itself puts that token before or after a text.
  bool puts(std::string_view role) const {
    const auto& added = role == "bos" ? vocabulary_.add_bos : vocabulary_.add_eos;
    return (role == "bos" || role == "eos") && !goes_by_settings() && added.value_or(false);
  }

  std::vector<std::string> role_texts(const std::string& role) const {
    std::vector<std::string> texts = {content(settings_, role + "_token"), content(special_map_, role + "_token")};
    if (const auto own = vocabulary_.roles.find(role); own != vocabulary_.roles.end())
      texts.insert(puts(role) ? texts.begin() : texts.end(), own->second);
    return texts;
  }

  std::optional<std::uint64_t> role_id(const std::string& role) const {
    for (const std::string& text : role_texts(role))
      if (!text.empty())
        if (const auto id = vocabulary_.find(text)) return *id;
    for (const JsonObject* owner : {&config_, &generation_})
      if (const auto found = ids(*owner, role + "_token_id"); !found.empty()) return found[0];
    return std::nullopt;
  }

  void write_roles(gguf::Metadata& metadata) {
    const auto set = [&](std::string_view name, std::uint64_t id) {
      metadata.set(fmt::format("tokenizer.ggml.{}_token_id", name), {static_cast<std::uint32_t>(id)});
    };
    constexpr std::array<std::array<std::string_view, 2>, 7> roles = {{{"bos", "bos"},
                                                                       {"eos", "eos"},
                                                                       {"unk", "unknown"},
                                                                       {"sep", "seperator"},  // as the format spells it
                                                                       {"pad", "padding"},
                                                                       {"cls", "cls"},
                                                                       {"mask", "mask"}}};
    for (const auto& [role, name] : roles)
      if (const auto id = role_id(std::string(role))) set(name, *id);
    if (vocabulary_.model == "bert")  // llama.cpp puts BOS before a text, whatever is [CLS]
      for (const auto& [role, name] : {std::pair{"cls", "bos"}, {"sep", "eos"}})
        if (const auto id = role_id(role)) set(name, *id);
    // More tokens that end an answer, first the one that the tokenizer's own pushed aside.
    std::vector<std::uint64_t> endings = ids(generation_, "eos_token_id");
    if (const auto id = vocabulary_.find(content(settings_, "eos_token")); id && puts("eos"))
      endings.insert(endings.begin(), *id);
    std::set<std::uint64_t> written;
    if (const auto eos = role_id("eos")) written.insert(*eos);
    std::size_t others = 0;
    for (const std::uint64_t id : endings)
      if (others < 2 && written.insert(id).second) set(others++ == 0 ? "eot" : "eom", id);
  }

  void write_flags(gguf::Metadata& metadata) const {
    const auto set = [&](std::string_view key, const std::optional<bool>& value) {
      if (value) metadata.set(fmt::format("tokenizer.ggml.{}", key), {*value});
    };
    const bool encoder = vocabulary_.model == "bert";
    set("add_bos_token", encoder ? vocabulary_.add_bos.value_or(adds_bos_by_class())
                                 : adds("add_bos_token", vocabulary_.add_bos, adds_bos_by_class()));
    if (encoder)
      set("add_sep_token", true);  // of BERT's kind, whether one is added or not: llama.cpp always does
    else
      set("add_eos_token", adds("add_eos_token", vocabulary_.add_eos, false));
    auto prefix = vocabulary_.add_space_prefix;
    if (prefix && settings_.has("add_prefix_space")) prefix = settings_.boolean("add_prefix_space", true);
    set("add_space_prefix", prefix);
    set("remove_extra_whitespaces", vocabulary_.remove_extra_whitespaces);
    set("normalizer.lowercase", vocabulary_.lowercase);
    set("normalizer.strip_accents", vocabulary_.strip_accents);
  }

  void write_stripping(std::string_view key, const std::set<std::uint64_t>& ids, gguf::Metadata& metadata) const {
    std::vector<std::uint32_t> present;  // others were left out
    for (const std::uint64_t id : ids)
      if (id < vocabulary_.tokens.size()) present.push_back(static_cast<std::uint32_t>(id));
    if (!present.empty()) metadata.set(key, {gguf::Array(std::move(present))});
  }

  // transformers' Llama and Gemma classes go by their settings, the others by the template of tokenizer.json.
  bool goes_by_settings() const {
    const std::string name = settings_.string("tokenizer_class", "");
    return name.starts_with("Llama") || name.starts_with("CodeLlama") || name.starts_with("Gemma");
  }
  // The class that has no ways of its own adds what tokenizer.json says, and nothing where it is silent.
  bool adds_bos_by_class() const {
    const std::string name = settings_.string("tokenizer_class", "");  // the latter since transformers 5
    const bool plain = (name == "PreTrainedTokenizerFast" || name == "TokenizersBackend") && has("tokenizer.json");
    return goes_by_settings() || ((vocabulary_.model == "llama" || vocabulary_.model == "bert") && !plain);
  }
  bool adds(std::string_view key, const std::optional<bool>& by_template, bool otherwise) const {
    if (settings_.has(key) && (goes_by_settings() || !by_template)) return settings_.boolean(key, false);
    return by_template.value_or(otherwise);
  }

  std::set<std::filesystem::path> additional_templates() const {
    std::set<std::filesystem::path> found;
    const auto folder = folder_ / "additional_chat_templates";
    if (!std::filesystem::is_directory(folder)) return found;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".jinja") found.insert(entry.path());
    return found;
  }

  static void write_named_templates(const Json& list, const std::string& origin, gguf::Metadata& metadata) {
    std::set<std::string> names;
    for (const Json& json : list) {
      const JsonObject one(json, origin);
      std::string name = one.string("name", "");
      if (name.empty()) one.fail("a chat template has no name");
      for (char& c : name)  // as others write what a key cannot hold
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      if (name != "default") names.insert(name);
      metadata.set(name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name,
                   {one.string("template", "")});
    }
    if (!names.empty())
      metadata.set("tokenizer.chat_templates", {gguf::Array(std::vector<std::string>(names.begin(), names.end()))});
  }

  const std::filesystem::path& folder_;
  const JsonObject& config_;
  JsonObject settings_, special_map_, generation_;
  Vocabulary vocabulary_;
  std::vector<std::string> left_out_;  // tokens past the model's end
};

}  // namespace

void add_tokenizer(const std::filesystem::path& folder, const JsonObject& config, std::uint64_t size,
                   gguf::Metadata& metadata) {
  metadata.set("tokenizer.ggml.model", {std::string("none")});
  Assembler assembler(folder, config);
  if (assembler.read()) assembler.write(size, metadata);
  assembler.write_templates(metadata);
  assembler.check_left_out(metadata);
}

}  // namespace hearth::convert
