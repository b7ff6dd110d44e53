#include "text/special_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace hearth::text {

namespace {

// After any of these an answer is over.
constexpr std::string_view ending_texts[] = {"<|eot_id|>",    "<|im_end|>",
                                             "<|end|>",       "<|return|>",
                                             "<|call|>",      "<|flush|>",
                                             "<|calls|>",     "<end_of_turn>",
                                             "<|endoftext|>", "</s>",
                                             "<|eom_id|>",    "<EOT>",
                                             "_<EOT>",        "[EOT]",
                                             "[EOS]",         "<|end_of_text|>",
                                             "<eos>",         "<end_of_utterance>",
                                             "<turn|>",       "<|tool_response>",
                                             "[e~[",          "<｜end▁of▁sentence｜>"};
// Of filling in the middle: padding and what opens another file; an answer is over there too.
constexpr std::string_view other_file_texts[] = {"<|fim_pad|>", "<fim-pad>",    "<fim_pad>",     "<PAD>",
                                                 "[PAD]",       "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                                 "<REPO>",      "<reponame>",   "<|file_sep|>"};
// Of filling in the middle: the parts of one file.
constexpr std::string_view middle_texts[] = {
    "<|fim_prefix|>",  "<fim-prefix>",  "<fim_prefix>",    "<｜fim▁begin｜>", "<PRE>",           "▁<PRE>",
    "<|code_prefix|>", "<|prefix|>",    "<|fim_suffix|>",  "<fim-suffix>",    "<fim_suffix>",    "<｜fim▁hole｜>",
    "<SUF>",           "▁<SUF>",        "<|code_suffix|>", "<|suffix|>",      "<|fim_middle|>",  "<fim-middle>",
    "<fim_middle>",    "<｜fim▁end｜>", "<MID>",           "▁<MID>",          "<|code_middle|>", "<|middle|>"};
// Control tokens whose text is shown and met in any text. [OpenAI's harmony format]
constexpr std::string_view shown_texts[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

std::string id_key(std::string_view role) {
  return fmt::format("tokenizer.ggml.{}_token_id", role);
}

void read_id(const gguf::Metadata& metadata, std::string_view role, const Vocabulary& vocabulary, Token& token) {
  const std::string key = id_key(role);
  if (!metadata.has(key)) return;
  const auto ids = metadata.integers(key);
  const std::int64_t id = ids.size() == 1 ? ids[0] : -2;
  if (id == -1 || id == 0xffffffff) {  // how some files say: none
    token = no_token;
  } else if (id < 0 || std::uint64_t(id) >= vocabulary.size()) {
    throw Error(Code::bad_input, fmt::format("{} is {}, and there are {} tokens", key, id, vocabulary.size()),
                metadata.origin());
  } else {
    token = Token(id);
  }
}

class Endings {
 public:
  Endings(Vocabulary& vocabulary, std::vector<Token>& tokens) : vocabulary_(vocabulary), tokens_(tokens) {}

  void add(Token token) {
    if (token != no_token && !has(token)) tokens_.push_back(token);
  }
  void add_marks(auto& texts) {
    for (const std::string_view text : texts) {
      const Token token = vocabulary_.find(text);
      if (token == no_token) continue;
      vocabulary_.set_kind(token, TokenKind::control);
      add(token);
    }
  }
  bool has(Token token) const { return std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end(); }
  bool has(std::string_view text) const {
    const Token token = vocabulary_.find(text);
    return token != no_token && has(token);
  }
  // It has another meaning in this vocabulary.
  void remove(std::string_view text, TokenKind kind) {
    const Token token = vocabulary_.find(text);
    if (token == no_token || !has(token)) return;
    std::erase(tokens_, token);
    vocabulary_.set_kind(token, kind);
  }

 private:
  Vocabulary& vocabulary_;
  std::vector<Token>& tokens_;
};

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

}  // namespace

bool SpecialTokens::ends_generation(Token token) const noexcept {
  return std::binary_search(endings.begin(), endings.end(), token);
}

SpecialTokens read_special_tokens(const gguf::Metadata& metadata, SpecialTokens special, Vocabulary& vocabulary) {
  for (Token* token : {&special.bos, &special.eos, &special.unknown, &special.separator})
    if (!vocabulary.contains(*token)) *token = no_token;
  Token eot = no_token, eom = no_token;
  if (!metadata.has(id_key("bos"))) read_id(metadata, "cls", vocabulary, special.bos);
  read_id(metadata, "bos", vocabulary, special.bos);
  read_id(metadata, "eos", vocabulary, special.eos);
  read_id(metadata, "eot", vocabulary, eot);
  read_id(metadata, "eom", vocabulary, eom);
  read_id(metadata, "unknown", vocabulary, special.unknown);
  read_id(metadata, "separator", vocabulary, special.separator);
  read_id(metadata, "seperator", vocabulary, special.separator);  // as the format spells it
  special.add_bos = metadata.boolean("tokenizer.ggml.add_bos_token", special.add_bos) && special.bos != no_token;
  special.add_eos = metadata.boolean("tokenizer.ggml.add_eos_token", special.add_eos) && special.eos != no_token;
  special.add_separator = special.add_separator && special.separator != no_token;

  Endings endings(vocabulary, special.endings);
  endings.add_marks(ending_texts);
  endings.add_marks(other_file_texts);
  for (const std::string_view text : middle_texts)
    if (const Token token = vocabulary.find(text); token != no_token) vocabulary.set_kind(token, TokenKind::control);
  for (const std::string_view text : shown_texts)
    if (const Token token = vocabulary.find(text); token != no_token)
      vocabulary.set_kind(token, TokenKind::user_defined);
  endings.add(special.eos);
  endings.add(eot);
  endings.add(eom);
  if ((endings.has("<|return|>") && endings.has("<|call|>")) ||
      (endings.has("<|flush|>") && (endings.has("<|call|>") || endings.has("<|calls|>"))))
    endings.remove("<|end|>", TokenKind::user_defined);
  if (endings.has("<|tool_response>") || endings.has("<|plamo:eos|>")) endings.remove("</s>", TokenKind::normal);
  std::sort(special.endings.begin(), special.endings.end());
  return special;
}

Strip read_strip(const gguf::Metadata& metadata, const Vocabulary& vocabulary) {
  Strip strip;
  for (const auto& [key, which] : {std::pair{strip_left_key, &strip.left}, {strip_right_key, &strip.right}}) {
    if (!metadata.has(key)) continue;
    which->resize(vocabulary.size());
    for (const std::int64_t id : metadata.integers(key)) {
      if (id < 0 || std::uint64_t(id) >= vocabulary.size())
        throw Error(Code::bad_input, fmt::format("{} has {}, and there are {} tokens", key, id, vocabulary.size()),
                    metadata.origin());
      (*which)[std::size_t(id)] = true;
    }
  }
  if (!strip.left.empty() || !strip.right.empty()) return strip;
  // Files of other programs do not say; these models are known to have such tokens.
  std::string name = metadata.string("general.name", "");
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  const auto strip_left = [&](std::string_view text) {
    strip.left.resize(vocabulary.size());
    if (const Token token = vocabulary.find(text); token != no_token) strip.left[std::size_t(token)] = true;
  };
  if (contains_any(metadata.string("tokenizer.ggml.pre", ""), {"jina-v2-de", "jina-v2-es", "jina-v2-code"}) ||
      contains_any(metadata.string("general.architecture", ""), {"nomic-bert-moe", "jina-bert-v3"})) {
    strip_left("<mask>");
  } else if (contains_any(name, {"phi-3", "phi3"})) {
    strip.right.assign(vocabulary.size(), true);
    for (const std::string_view text : {"<unk>", "<s>", "<|endoftext|>"})
      if (const Token token = vocabulary.find(text); token != no_token) strip.right[std::size_t(token)] = false;
  } else if (contains_any(name, {"modern-bert"})) {
    strip_left("[MASK]");
  }
  return strip;
}

}  // namespace hearth::text
