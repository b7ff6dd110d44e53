#include "base/utf8.h"
#include "text/tokenizer.h"

namespace hearth::text {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

// Whether the bytes may be the beginning of a character: some continuation makes them one.
bool may_become_character(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (bytes.size() >= length) return false;
  std::string whole(bytes);
  if (whole.size() == 1) whole += lead == 0xe0 ? '\xa0' : lead == 0xf0 ? '\x90' : '\x80';
  whole.resize(length, '\x80');
  return is_utf8(whole);
}

}  // namespace

std::string Detokenizer::push(Token token) {
  std::string piece = tokenizer_->piece(token, special_);
  if (strip_ && !piece.empty()) {
    if (piece[0] == ' ') piece.erase(0, 1);
    strip_ = false;
  }
  waiting_ += piece;
  std::string text;
  std::size_t at = 0;
  while (at < waiting_.size()) {
    const std::string_view rest = std::string_view(waiting_).substr(at);
    const std::size_t valid = utf8_valid_prefix(rest);
    text += rest.substr(0, valid);
    at += valid;
    if (valid == rest.size() || may_become_character(rest.substr(valid))) break;
    // The bytes of a broken character are replaced together.
    std::size_t broken = 1;
    while (valid + broken < rest.size() && may_become_character(rest.substr(valid, broken + 1))) ++broken;
    text += replacement;
    at += broken;
  }
  waiting_.erase(0, at);
  return text;
}

std::string Detokenizer::finish() {
  const bool broken = !waiting_.empty();
  waiting_.clear();
  return std::string(broken ? replacement : "");
}

}  // namespace hearth::text
