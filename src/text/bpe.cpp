// Byte-pair encoding: the text is cut into words, and each word's bytes are merged in the order of the table of merges.
// [arXiv 1508.07909; byte level: GPT-2]
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <span>

#include "base/error.h"
#include "text/merge_work.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_base.h"
#include "text/unicode.h"
#include "text/word_cache.h"

namespace hearth::text {

namespace {

// GPT-2 writes every byte as a printable character: these as themselves, the others as U+0100 and on, in order.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    std::uint32_t next = 0x100;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      characters_[byte] = itself ? byte : next++;
    }
    bytes_.fill(-1);
    for (std::uint32_t byte = 0; byte < 256; ++byte) bytes_[characters_[byte]] = static_cast<std::int16_t>(byte);
  }
  static const ByteAlphabet& get() {
    static const ByteAlphabet alphabet;
    return alphabet;
  }

  std::string write(std::string_view bytes) const {
    std::string text;
    for (const char byte : bytes) append_utf8(text, characters_[static_cast<unsigned char>(byte)]);
    return text;
  }
  // Of a character that stands for none, -1.
  int byte(std::uint32_t character) const { return character < bytes_.size() ? bytes_[character] : -1; }
  // A text with any other character in it is what it says.
  std::string read(std::string_view text) const {
    std::string bytes;
    for (std::size_t at = 0; at < text.size();) {
      const Character character = character_at(text, at);
      if (byte(character.code) < 0) return std::string(text);
      bytes += static_cast<char>(static_cast<unsigned char>(byte(character.code)));
      at += character.bytes;
    }
    return bytes;
  }

 private:
  std::array<std::uint32_t, 256> characters_;
  std::array<std::int16_t, 0x144> bytes_;
};

// From a pair of tokens to its rank and what it becomes: open addressing, at most half full.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merges) : slots_(std::bit_ceil(merges * 2 + 2)) {}

  // The first rank of a pair stands.
  void add(Token left, Token right, Join join) {
    Slot* slot = &slots_[position(left, right)];
    while (slot->join.token != no_token && !(slot->left == left && slot->right == right)) slot = next(slot);
    if (slot->join.token == no_token) *slot = {left, right, join};
  }
  void fetch(Token left, Token right) const noexcept { __builtin_prefetch(&slots_[position(left, right)]); }
  Join find(Token left, Token right) const noexcept {
    const Slot* slot = &slots_[position(left, right)];
    while (slot->join.token != no_token && !(slot->left == left && slot->right == right)) slot = next(slot);
    return slot->join;
  }

 private:
  struct Slot {
    Token left = no_token, right = no_token;
    Join join = {0, no_token};
  };
  std::size_t position(Token left, Token right) const noexcept {
    const std::uint64_t pair = std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
    return (pair * 0x9e3779b97f4a7c15 ^ pair >> 15) * 0xd6e8feb86659fd93 >> 32 & (slots_.size() - 1);
  }
  template <class AnySlot>
  AnySlot* next(AnySlot* slot) const noexcept {
    return ++slot == slots_.data() + slots_.size() ? const_cast<AnySlot*>(slots_.data()) : slot;
  }
  std::vector<Slot> slots_;
};

const PreTokenizer& pre_tokenizer_of(const gguf::Metadata& metadata) {
  const bool gemma = metadata.string("tokenizer.ggml.model", "") == "gemma4";
  const std::string_view key = metadata.has(exact_pre_key) ? exact_pre_key : "tokenizer.ggml.pre";
  const std::string name = gemma ? "gemma4" : metadata.string(key, "default");
  if (const PreTokenizer* found = find_pre_tokenizer(name.empty() ? "default" : name)) return *found;
  std::string known;
  for (const PreTokenizer& row : pre_tokenizers())
    for (const std::string_view one : row.names) known += fmt::format("{}{}", known.empty() ? "" : ", ", one);
  throw Error(Code::unsupported, fmt::format("{} is the unknown \"{}\"", key, name), metadata.origin(),
              fmt::format("known are {}", known));
}

SpecialTokens defaults_of(const gguf::Metadata& metadata, const PreTokenizer& pre_tokenizer) {
  SpecialTokens special;
  if (!pre_tokenizer.escapes_space) {
    special.bos = pre_tokenizer.has_default_bos ? 11 : no_token;
    special.eos = 11;
  }
  special.add_bos = pre_tokenizer.adds_bos;
  (void)metadata;
  return special;
}

class BytePairTokenizer final : public TokenizerBase {
 public:
  BytePairTokenizer(const gguf::Metadata& metadata, const PreTokenizer& pre_tokenizer)
      : TokenizerBase(metadata, defaults_of(metadata, pre_tokenizer)),
        pre_tokenizer_(pre_tokenizer),
        composes_(metadata.boolean(composes_key, false)),
        merges_(read_merges(metadata)) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const char one[] = {static_cast<char>(byte)};
      bytes_[byte] = pre_tokenizer.escapes_space ? vocabulary().find_byte(static_cast<unsigned char>(byte))
                                                 : vocabulary().find(ByteAlphabet::get().write({one, 1}));
    }
  }

 private:
  MergeTable read_merges(const gguf::Metadata& metadata) {
    const auto& merges = metadata.strings("tokenizer.ggml.merges");
    MergeTable table(merges.size());
    const ByteAlphabet& alphabet = ByteAlphabet::get();
    std::string_view parts[2 * fetched_at_once];  // a merge's two
    Token tokens[2 * fetched_at_once], wholes[fetched_at_once];
    Token whole = 0;  // most tables make tokens in their order, some by several merges
    std::string text;
    for (std::size_t first = 0; first < merges.size(); first += fetched_at_once) {
      const std::size_t count = std::min(fetched_at_once, merges.size() - first);
      for (std::size_t k = 0; k < count; ++k) {
        const std::string_view merge = merges[first + k];
        const std::size_t gap = merge.find(' ', 1);
        parts[2 * k] = merge.substr(0, gap);
        parts[2 * k + 1] = gap == merge.npos ? std::string_view() : merge.substr(gap + 1);
      }
      vocabulary().find(std::span(parts, 2 * count), tokens);
      for (std::size_t k = 0; k < count; ++k) {
        text.assign(parts[2 * k]).append(parts[2 * k + 1]);
        const auto is = [&](Token token) { return vocabulary().contains(token) && vocabulary().text(token) == text; };
        if (!is(whole)) whole = is(whole + 1) ? whole + 1 : vocabulary().find(text);
        if (tokens[2 * k] == no_token || tokens[2 * k + 1] == no_token || whole == no_token)
          throw Error(Code::bad_input,
                      fmt::format("tokenizer.ggml.merges[{}] is \"{}\", and not two tokens that make a third",
                                  first + k, merges[first + k]),
                      metadata.origin());
        wholes[k] = whole;
        table.fetch(tokens[2 * k], tokens[2 * k + 1]);
      }
      for (std::size_t k = 0; k < count; ++k) {
        table.add(tokens[2 * k], tokens[2 * k + 1], {static_cast<std::uint32_t>(first + k), wholes[k]});
        const int left = alphabet.byte(last_character(parts[2 * k])),
                  right = alphabet.byte(character_at(parts[2 * k + 1], 0).code);
        if (left >= 0 && right >= 0) joined_[std::size_t(left)].set(std::size_t(right));
      }
    }
    return table;
  }

  void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const override {
    std::size_t bytes = 0;
    for (const Fragment& fragment : fragments) bytes += fragment.text.size();
    WordCache cache(bytes);
    MergeWork work;
    std::vector<std::uint32_t> ends;
    std::string normalised, escaped;
    for (const Fragment& fragment : fragments) {
      if (fragment.token != no_token) {
        tokens.push_back(fragment.token);
        continue;
      }
      std::string_view text = fragment.text;
      if (composes_) {
        normalised = composed(text);
        text = normalised;
      }
      if (pre_tokenizer_.escapes_space) {
        escaped = escape_spaces(text);
        text = escaped;
      }
      pre_tokenizer_.split(text, ends);
      std::size_t begin = 0;
      for (const std::uint32_t end : ends) {
        const std::string_view word = text.substr(begin, end - begin);
        begin = end;
        cache.append(word, tokens, [&](std::vector<Token>& out) { encode_word(word, work, out); });
      }
    }
  }

  void encode_word(std::string_view word, MergeWork& work, std::vector<Token>& tokens) const {
    if (pre_tokenizer_.escapes_space) {
      if (whole_lines(word)) return tokens.push_back(vocabulary().find(word));
      return encode_characters(word, work, tokens);
    }
    if (pre_tokenizer_.whole_words && word.size() <= vocabulary().longest())
      if (const Token whole = vocabulary().find(ByteAlphabet::get().write(word)); whole != no_token)
        return tokens.push_back(whole);
    for (std::size_t at = 0; at < word.size();) {
      work.symbols.clear();
      std::uint32_t i = 0;
      do {
        work.symbols.push_back({i, i + 1, bytes_[static_cast<unsigned char>(word[at])]});
        ++i, ++at;
      } while (at < word.size() && may_join(word[at - 1], word[at]));
      merge(work);
      for (const Symbol& symbol : work.symbols)
        if (symbol.token != no_token) tokens.push_back(symbol.token);  // a vocabulary may lack some bytes
    }
  }

  // Whether any merge puts these bytes beside each other; where none does, a word can be cut.
  bool may_join(char left, char right) const {
    return joined_[static_cast<unsigned char>(left)][static_cast<unsigned char>(right)];
  }
  static std::uint32_t last_character(std::string_view text) {
    std::size_t at = text.size();
    while (at > 0 && (static_cast<unsigned char>(text[at - 1]) & 0xc0) == 0x80) --at;
    return at == 0 ? replacement_character : character_at(text, at - 1).code;
  }

  bool whole_lines(std::string_view word) const {
    return pre_tokenizer_.adds_bos && word.find_first_not_of('\n') == word.npos && vocabulary().find(word) != no_token;
  }

  void encode_characters(std::string_view word, MergeWork& work, std::vector<Token>& tokens) const {
    work.begin(word, vocabulary());
    merge(work);
    work.append_tokens(word, bytes_, tokens);
  }

  void merge(MergeWork& work) const {
    work.merger.merge(work.symbols, [this](const Symbol& left, const Symbol& right) {
      return merges_.find(left.token, right.token);
    });
  }

  std::string plain_piece(std::string_view text) const override {
    return pre_tokenizer_.escapes_space ? unescape_spaces(text) : ByteAlphabet::get().read(text);
  }

  const PreTokenizer& pre_tokenizer_;
  bool composes_;
  std::array<std::bitset<256>, 256> joined_;  // by the last byte of the one and the first of the other
  MergeTable merges_;
  std::array<Token, 256> bytes_;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_bpe(const gguf::Metadata& metadata) {
  return std::make_unique<BytePairTokenizer>(metadata, pre_tokenizer_of(metadata));
}

}  // namespace hearth::text
