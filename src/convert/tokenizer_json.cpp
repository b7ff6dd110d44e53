// tokenizer.json, as Hugging Face tokenizers writes it. Every part is either carried over or refused by name.
// [https://huggingface.co/docs/tokenizers/components]
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "convert/vocabulary.h"

namespace hearth::convert {

namespace {

constexpr std::string_view space_mark = "▁";

class Parser {
 public:
  Parser(Json json, const std::string& origin)
      : model_(take_model(json), origin), tokenizer_(std::move(json), origin), vocabulary_(origin) {}

  Vocabulary parse() {
    const std::string type = model_.string("type", model_.has("merges") ? "BPE" : "");
    if (type == "BPE")
      read_byte_pairs();
    else if (type == "Unigram")
      read_unigram();
    else if (type == "WordPiece")
      read_wordpiece();
    else
      refuse(fmt::format("the model {}", type.empty() ? "of unknown type" : type));
    if (const Json* added = tokenizer_.find({"added_tokens"})) add_tokens(*added, vocabulary_.origin(), vocabulary_);
    read_post_processor();
    check_decoders();
    return std::move(vocabulary_);
  }

 private:
  // Out of the whole, for it is large.
  static Json take_model(Json& json) {
    const auto found = json.is_object() ? json.find("model") : json.end();
    return found == json.end() ? Json::object() : std::move(*found);
  }

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(Code::unsupported, fmt::format("{} has no equal in GGUF", what), vocabulary_.origin());
  }

  // The parts of a Sequence, or the one part; a null is none.
  static std::vector<JsonObject> parts(const JsonObject& owner, std::string_view key, std::string_view list_key) {
    std::vector<JsonObject> found;
    if (!owner.has(key)) return found;
    const JsonObject part = owner.object(key);
    if (part.string("type", "") != "Sequence") return {part};
    const Json* list = part.find({list_key});
    if (!list || !list->is_array()) part.fail(fmt::format("the Sequence at {} has no list {}", key, list_key));
    for (const Json& one : *list) {
      JsonObject inner(one, owner.origin());
      if (inner.string("type", "") == "Sequence")  // nested once at most in what is published
        for (JsonObject& deeper : parts(JsonObject(Json{{"part", one}}, owner.origin()), "part", list_key))
          found.push_back(std::move(deeper));
      else
        found.push_back(std::move(inner));
    }
    return found;
  }
  std::vector<JsonObject> normalizers() const { return parts(tokenizer_, "normalizer", "normalizers"); }
  std::vector<JsonObject> pre_tokenizers() const { return parts(tokenizer_, "pre_tokenizer", "pretokenizers"); }
  static std::string type_of(const JsonObject& part) {
    if (!part.has("type")) part.fail("a normalizer, pre-tokenizer, post-processor or decoder has no type");
    return part.string("type", "");
  }

  bool is_byte_level() const {
    const auto has = [](const std::vector<JsonObject>& list) {
      return std::any_of(list.begin(), list.end(), [](const JsonObject& part) { return type_of(part) == "ByteLevel"; });
    };
    return has(pre_tokenizers()) || has(parts(tokenizer_, "decoder", "decoders"));
  }

  void read_vocabulary() {
    const Json* vocab = model_.find({"vocab"});
    if (!vocab || !vocab->is_object()) model_.fail("the model has no vocab");
    for (const auto& [token, id] : vocab->items()) {
      if (!id.is_number_unsigned()) model_.fail(fmt::format("token {} has no id", token.substr(0, 80)));
      vocabulary_.set(id.get<std::uint64_t>(), token, text::TokenKind::normal);
    }
    if (vocabulary_.tokens.empty()) model_.fail("the vocabulary is empty");
  }

  struct Merge {
    std::string left, right;
    std::size_t becomes;  // a token
  };
  // "a b", or since 2024 ["a", "b"].
  std::vector<Merge> read_merges() const {
    std::unordered_map<std::string_view, std::size_t> ids;
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) ids.emplace(vocabulary_.tokens[id], id);
    std::vector<Merge> merges;
    const auto add = [&](std::string left, std::string right) {
      const auto found = ids.find(left + right);
      if (found == ids.end() || !ids.contains(left) || !ids.contains(right))
        model_.fail(fmt::format("merge {} of {} and {} is not of tokens to a token", merges.size(), left, right));
      merges.push_back({std::move(left), std::move(right), found->second});
    };
    const Json* list = model_.find({"merges"});
    if (!list || !list->is_array()) model_.fail("the model has no list merges");
    merges.reserve(list->size());
    for (const Json& merge : *list) {
      if (merge.is_string()) {
        const auto& text = merge.get_ref<const std::string&>();
        const auto space = text.find(' ', 1);
        if (space == text.npos) model_.fail(fmt::format("merge {} is no pair", merges.size()));
        add(text.substr(0, space), text.substr(space + 1));
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        add(merge[0].get<std::string>(), merge[1].get<std::string>());
      } else {
        model_.fail(fmt::format("merge {} is no pair", merges.size()));
      }
    }
    return merges;
  }

  void read_byte_pairs() {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!model_.string(key, "").empty()) refuse(fmt::format("{} {}", key, model_.string(key, "")));
    read_vocabulary();
    if (is_byte_level())
      read_byte_level();
    else
      read_sentencepiece_pairs();
  }

  void read_byte_level() {
    for (const JsonObject& part : normalizers()) {
      if (type_of(part) != "NFC") refuse(fmt::format("the normalizer {} of a byte-level tokenizer", type_of(part)));
      vocabulary_.composes = true;
    }
    vocabulary_.model = "gpt2";
    recognise_pre_tokenizer(tokenizer_, model_.boolean("ignore_merges", false), vocabulary_);
    for (const Merge& merge : read_merges())
      vocabulary_.merges.push_back(fmt::format("{} {}", merge.left, merge.right));
  }

  // SentencePiece's byte pairs, which GGUF orders by the scores of what they become, as SentencePiece does itself.
  void read_sentencepiece_pairs() {
    vocabulary_.model = "llama";
    vocabulary_.add_space_prefix = false;
    bool prefix = false;
    for (const JsonObject& part : normalizers()) {
      const std::string type = type_of(part);
      if (type == "Prepend" && part.string("prepend", "") == space_mark)
        prefix = true;
      else if (!(type == "Replace" && part.object("pattern").string("String", "") == " " &&
                 part.string("content", "") == space_mark))
        refuse(fmt::format("the normalizer {} of a SentencePiece tokenizer", type));
    }
    for (const JsonObject& part : pre_tokenizers()) {
      const std::string type = type_of(part);
      if (type == "Metaspace") {
        if (!prefix) read_space_prefix(part);  // else Prepend was there before
      } else if (!(type == "Split" && part.object("pattern").string("String", "") == " ")) {
        // A Split at spaces has none left to split at.
        refuse(fmt::format("the pre-tokenizer {} of a SentencePiece tokenizer", type));
      }
    }
    if (prefix) vocabulary_.add_space_prefix = true;
    if (!model_.boolean("byte_fallback", false)) refuse("a BPE model that is neither byte-level nor has byte_fallback");
    score_by_merges();
    mark_bytes();
    mark_unknown();
  }

  void score_by_merges() {
    const auto merges = read_merges();
    // What no merge makes is never to be made.
    std::fill(vocabulary_.scores.begin(), vocabulary_.scores.end(), -1e9f);
    for (std::size_t i = merges.size(); i-- > 0;)  // the first that makes a token counts
      vocabulary_.scores[merges[i].becomes] = -static_cast<float>(i);
  }

  static bool is_byte(std::string_view text) {
    const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && digit(text[3]) && digit(text[4]);
  }

  void mark_bytes() {
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id)
      if (is_byte(vocabulary_.tokens[id])) vocabulary_.kinds[id] = text::TokenKind::byte;
  }

  void read_space_prefix(const JsonObject& metaspace) {
    if (metaspace.string("replacement", std::string(space_mark)) != space_mark)
      metaspace.fail("Metaspace replaces spaces by something else than ▁");
    const std::string scheme =
        metaspace.string("prepend_scheme", metaspace.boolean("add_prefix_space", true) ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never")
      metaspace.fail(fmt::format("Metaspace has the prepend_scheme {}", scheme));
    vocabulary_.add_space_prefix = scheme != "never";
    vocabulary_.space_prefix = scheme == "always" ? "missing" : scheme == "first" ? "first" : "";
  }

  void mark_unknown() {
    const std::string unknown = model_.string("unk_token", "");
    if (const auto id = vocabulary_.find(unknown); id && !unknown.empty()) {
      vocabulary_.kinds[*id] = text::TokenKind::unknown;
      vocabulary_.roles["unk"] = unknown;
    }
  }

  void read_unigram() {
    vocabulary_.model = "t5";
    const Json* list = model_.find({"vocab"});
    if (!list || !list->is_array() || list->empty()) model_.fail("the model has no list vocab");
    for (const Json& piece : *list) {
      if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number())
        model_.fail(fmt::format("piece {} of the vocabulary is no text with a score", vocabulary_.tokens.size()));
      vocabulary_.set(vocabulary_.tokens.size(), piece[0].get<std::string>(), text::TokenKind::normal,
                      piece[1].get<float>());
    }
    if (model_.has("unk_id")) {
      const std::uint64_t unknown = model_.integer({"unk_id"});
      if (unknown >= vocabulary_.tokens.size()) model_.fail(fmt::format("unk_id is {}", unknown));
      vocabulary_.kinds[unknown] = text::TokenKind::unknown;
      vocabulary_.roles["unk"] = vocabulary_.tokens[unknown];
    }
    if (model_.boolean("byte_fallback", false)) mark_bytes();
    vocabulary_.remove_extra_whitespaces = false;
    for (const JsonObject& part : normalizers()) read_unigram_normalizer(part);
    vocabulary_.add_space_prefix = false;
    for (const JsonObject& part : pre_tokenizers()) {
      const std::string type = type_of(part);
      if (type == "Metaspace")
        read_space_prefix(part);
      else if (type == "WhitespaceSplit")
        vocabulary_.remove_extra_whitespaces = strips_ = true;
      else
        refuse(fmt::format("the pre-tokenizer {} of a Unigram tokenizer", type));
    }
    if (strips_ && !*vocabulary_.remove_extra_whitespaces)
      refuse("a Unigram tokenizer that strips white space and keeps runs of it");
    vocabulary_.keeps_outer_spaces = *vocabulary_.remove_extra_whitespaces && !strips_;
  }

  void read_unigram_normalizer(const JsonObject& part) {
    const std::string type = type_of(part);
    if (type == "Precompiled")
      vocabulary_.charsmap = decode_base64(part.string("precompiled_charsmap", ""));
    else if (type == "Strip" && part.boolean("strip_right", true))
      strips_ = true;
    else if (type == "Replace" && part.object("pattern").string("Regex", "") == " {2,}" && is_space(part))
      vocabulary_.remove_extra_whitespaces = true;
    else
      refuse(fmt::format("the normalizer {} of a Unigram tokenizer", type));
  }

  static bool is_space(const JsonObject& replace) {
    const std::string content = replace.string("content", "");
    return content == " " || content == space_mark;
  }

  std::string decode_base64(std::string_view text) const {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t buffer = 0;
    int bits = 0;
    while (text.ends_with('=')) text.remove_suffix(1);
    for (const char c : text) {
      const auto digit = letters.find(c);
      if (digit == letters.npos) tokenizer_.fail("precompiled_charsmap is not Base64");
      buffer = buffer << 6 | static_cast<std::uint32_t>(digit);
      bits += 6;
      if (bits >= 8) bytes += static_cast<char>(buffer >> (bits -= 8) & 255);
    }
    return bytes;
  }

  void read_wordpiece() {
    vocabulary_.model = "bert";
    if (model_.string("continuing_subword_prefix", "##") != "##")
      refuse(fmt::format("continuing_subword_prefix {}", model_.string("continuing_subword_prefix", "")));
    if (const auto longest = model_.integer({"max_input_chars_per_word"}, 100); longest != 100)
      refuse(fmt::format("max_input_chars_per_word {}", longest));
    read_vocabulary();
    vocabulary_.roles = {{"unk", model_.string("unk_token", "[UNK]")},
                         {"cls", "[CLS]"},
                         {"sep", "[SEP]"},
                         {"pad", "[PAD]"},
                         {"mask", "[MASK]"}};  // as BERT has them, where nothing else is said
    read_wordpiece_normalizers();
    check_wordpiece_cuts();
  }

  void read_wordpiece_normalizers() {
    vocabulary_.lowercase = vocabulary_.strip_accents = vocabulary_.cleans = vocabulary_.parts_chinese = false;
    bool apart = false;  // accents stand alone (NFD), and must go
    for (const JsonObject& part : normalizers()) {
      const std::string type = type_of(part);
      if (type == "BertNormalizer") {
        vocabulary_.cleans = part.boolean("clean_text", true);
        vocabulary_.parts_chinese = part.boolean("handle_chinese_chars", true);
        vocabulary_.lowercase = part.boolean("lowercase", true);
        vocabulary_.strip_accents = part.boolean("strip_accents", *vocabulary_.lowercase);
      } else if (type == "NFD") {
        apart = true;
      } else if (type == "Lowercase") {
        vocabulary_.lowercase = true;
      } else if (type == "StripAccents" && apart) {
        vocabulary_.strip_accents = vocabulary_.strips_all_marks = true;
      } else {
        refuse(fmt::format("the normalizer {} of a WordPiece tokenizer", type));
      }
    }
    if (apart && !*vocabulary_.strip_accents)
      refuse("the normalizer NFD of a WordPiece tokenizer without StripAccents");
  }

  // At white space, and every punctuation mark alone.
  void check_wordpiece_cuts() const {
    bool spaces = false, marks = false;
    for (const JsonObject& part : pre_tokenizers()) {
      const std::string type = type_of(part);
      const bool bert = type == "BertPreTokenizer";
      if (bert || type == "WhitespaceSplit") spaces = true;
      if (bert || (type == "Punctuation" && part.string("behavior", "Isolated") == "Isolated"))
        marks = true;
      else if (type != "WhitespaceSplit")
        refuse(fmt::format("the pre-tokenizer {} of a WordPiece tokenizer", type));
    }
    if (!spaces || !marks) refuse("a WordPiece tokenizer that does not part words at white space and punctuation");
  }

  // What is put around a text: BOS or [CLS] before it, EOS or [SEP] after it.
  void read_post_processor() {
    for (const JsonObject& part : parts(tokenizer_, "post_processor", "processors")) {
      const std::string type = type_of(part);
      if (type == "TemplateProcessing")
        read_template(part);
      else if (type == "BertProcessing" || type == "RobertaProcessing")
        for (const auto& [key, role] : {std::pair{"cls", "bos"}, {"sep", "eos"}})
          if (const Json* pair = part.find({key}); pair && pair->is_array() && !pair->empty() && (*pair)[0].is_string())
            set_edge(role, (*pair)[0].get<std::string>());
      if (type != "TemplateProcessing" && type != "BertProcessing" && type != "RobertaProcessing" &&
          type != "ByteLevel")
        refuse(fmt::format("the post-processor {}", type));
    }
  }

  // GGUF has no word for decoders: these are what its kinds of tokenizers do anyway.
  void check_decoders() const {
    constexpr std::string_view known[] = {"ByteLevel", "ByteFallback", "Fuse",     "Strip",
                                          "Replace",   "Metaspace",    "WordPiece"};
    for (const JsonObject& part : parts(tokenizer_, "decoder", "decoders"))
      if (std::find(std::begin(known), std::end(known), type_of(part)) == std::end(known))
        refuse(fmt::format("the decoder {}", type_of(part)));
  }

  void set_edge(std::string_view role, const std::string& token) {
    (role == "bos" ? vocabulary_.add_bos : vocabulary_.add_eos) = true;
    if (vocabulary_.model == "bert") role = role == "bos" ? "cls" : "sep";
    vocabulary_.roles[std::string(role)] = token;
  }

  void read_template(const JsonObject& part) {
    const Json* single = part.find({"single"});
    if (!single || !single->is_array()) part.fail("a TemplateProcessing has no list single");
    std::size_t text_at = single->size();
    std::vector<std::string> specials(single->size());
    for (std::size_t i = 0; i < single->size(); ++i) {
      const JsonObject item((*single)[i], part.origin());
      if (item.has("Sequence"))
        text_at = i;
      else
        specials[i] = item.object("SpecialToken").string("id", "");
    }
    if (text_at == single->size() || single->size() - text_at > 2)
      refuse("a TemplateProcessing that puts more than one token after a text");
    for (std::size_t i = 0; text_at > 1 && i < text_at; ++i) vocabulary_.prefix += specials[i];
    vocabulary_.add_bos = text_at == 1;
    vocabulary_.add_eos = text_at + 1 < single->size();
    if (text_at == 1) set_edge("bos", specials[0]);
    if (text_at + 1 < single->size()) set_edge("eos", specials[text_at + 1]);
  }

  JsonObject model_, tokenizer_;
  Vocabulary vocabulary_;
  bool strips_ = false;  // of Unigram: white space after a text goes
};

}  // namespace

Vocabulary parse_tokenizer_json(Json json, const std::string& origin) {
  return Parser(std::move(json), origin).parse();
}

Vocabulary read_tokenizer_json(const std::filesystem::path& path) {
  return parse_tokenizer_json(read_json(path), path.string());
}

}  // namespace hearth::convert
