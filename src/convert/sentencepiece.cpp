// SentencePiece's tokenizer.model: a protocol buffer, of which a few fields matter.
// [https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto]
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "convert/vocabulary.h"

namespace hearth::convert {

namespace {

// Fields of a message, one after another. [https://protobuf.dev/programming-guides/encoding/]
class Message {
 public:
  Message(std::string_view bytes, const std::string& origin) : left_(bytes), origin_(origin) {}

  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;      // of a number; the bits of a float
    std::string_view bytes = {};  // of a text or a message
  };

  bool next(Field& field) {
    if (left_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {.number = tag >> 3};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        field.value = fixed(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        field.value = fixed(4);
        return true;
      default:
        fail();
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(Code::bad_input, "not a SentencePiece model, or not complete", origin_);
  }
  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) fail();
    const std::string_view part = left_.substr(0, size);
    left_.remove_prefix(size);
    return part;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t(byte & 127) << shift;
      if (byte < 128) return value;
    }
    fail();
  }
  std::uint64_t fixed(std::size_t size) {
    std::uint64_t value = 0;
    const std::string_view part = take(size);
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t(static_cast<unsigned char>(part[i])) << 8 * i;
    return value;
  }

  std::string_view left_;
  const std::string& origin_;
};

constexpr std::uint64_t unigram = 1, byte_pairs = 2;

struct Trainer {
  std::uint64_t type = unigram;
  std::int64_t unknown = 0, bos = 1, eos = 2, pad = -1;
};

void read_piece(std::string_view bytes, const std::string& origin, Vocabulary& vocabulary) {
  std::string text;
  float score = 0;
  std::uint64_t kind = 1;
  Message message(bytes, origin);
  for (Message::Field field; message.next(field);) {
    if (field.number == 1) text = field.bytes;
    if (field.number == 2) score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    if (field.number == 3) kind = field.value;
  }
  if (kind < 1 || kind > 6)
    throw Error(Code::bad_input, fmt::format("piece {} has the type {}", vocabulary.tokens.size(), kind), origin);
  if (!is_utf8(text))
    throw Error(Code::bad_input, fmt::format("piece {} is not valid UTF-8", vocabulary.tokens.size()), origin);
  const auto token_kind = static_cast<text::TokenKind>(kind);  // the numbers are GGUF's too
  if (token_kind == text::TokenKind::user_defined) text = as_in_texts(std::move(text));
  vocabulary.set(vocabulary.tokens.size(), std::move(text), token_kind, score);
}

Trainer read_trainer(std::string_view bytes, const std::string& origin) {
  Trainer trainer;
  Message message(bytes, origin);
  for (Message::Field field; message.next(field);) {
    const auto id = static_cast<std::int32_t>(static_cast<std::uint32_t>(field.value));
    if (field.number == 3) trainer.type = field.value;
    if (field.number == 24 && field.value != 0)
      throw Error(Code::unsupported, "a SentencePiece model that writes white space after words", origin);
    if (field.number == 40) trainer.unknown = id;
    if (field.number == 41) trainer.bos = id;
    if (field.number == 42) trainer.eos = id;
    if (field.number == 43) trainer.pad = id;
  }
  return trainer;
}

void read_normalizer(std::string_view bytes, const std::string& origin, Vocabulary& vocabulary) {
  Message message(bytes, origin);
  for (Message::Field field; message.next(field);) {
    if (field.number == 2) vocabulary.charsmap = field.bytes;
    if (field.number == 3) vocabulary.add_space_prefix = field.value != 0;
    if (field.number == 4) vocabulary.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5 && field.value == 0)
      throw Error(Code::unsupported, "a SentencePiece model that does not escape white space", origin);
  }
}

}  // namespace

Vocabulary parse_sentencepiece(std::string_view bytes, const std::string& origin) {
  Vocabulary vocabulary(origin);
  vocabulary.add_space_prefix = true;
  vocabulary.remove_extra_whitespaces = true;
  Trainer trainer;
  Message message(bytes, origin);
  for (Message::Field field; message.next(field);) {
    if (field.number == 1) read_piece(field.bytes, origin, vocabulary);
    if (field.number == 2) trainer = read_trainer(field.bytes, origin);
    if (field.number == 3) read_normalizer(field.bytes, origin, vocabulary);
  }
  if (vocabulary.tokens.empty()) throw Error(Code::bad_input, "a SentencePiece model without pieces", origin);
  if (trainer.type != unigram && trainer.type != byte_pairs)
    throw Error(Code::unsupported, fmt::format("a SentencePiece model of words or characters (type {})", trainer.type),
                origin);
  vocabulary.model = trainer.type == unigram ? "t5" : "llama";
  if (trainer.type == byte_pairs) {
    if (std::ranges::find(vocabulary.kinds, text::TokenKind::byte) == vocabulary.kinds.end())
      throw Error(Code::unsupported, "a SentencePiece model of byte pairs without tokens for single bytes", origin);
    vocabulary.charsmap.clear();
    vocabulary.remove_extra_whitespaces = {};
    if (std::ranges::find(vocabulary.kinds, text::TokenKind::user_defined) != vocabulary.kinds.end())
      vocabulary.space_prefix = "whole";
  }
  const auto role = [&](const char* name, std::int64_t id) {
    if (id >= 0 && static_cast<std::uint64_t>(id) < vocabulary.tokens.size())
      vocabulary.roles[name] = vocabulary.tokens[static_cast<std::size_t>(id)];
  };
  role("unk", trainer.unknown);
  role("bos", trainer.bos);
  role("eos", trainer.eos);
  role("pad", trainer.pad);
  return vocabulary;
}

Vocabulary read_sentencepiece(const std::filesystem::path& path) {
  return parse_sentencepiece(MappedFile(path).text(), path.string());
}

}  // namespace hearth::convert
