// The formats of JSON Schema as regular expressions; where a standard allows more, what is written is a part of it.
#include <fmt/format.h>

#include <map>

#include "sample/schema_document.h"

namespace hearth::sample {

namespace {

std::map<std::string, std::string, std::less<>> make_formats() {
  // Years 1000 to 2999, so that every calendar agrees; 29 February in leap years.  [RFC 3339]
  const std::string leap = "[12]\\d(?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00";
  const std::string date =
      "(?:[12]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)"
      "|02-(?:0[1-9]|1\\d|2[0-8]))|(?:" +
      leap + ")-02-29)";
  const std::string clock = "(?:[01]\\d|2[0-3]):[0-5]\\d";
  const std::string time = clock + ":[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]" + clock + ")";
  // [RFC 3339, appendix A]
  const std::string n = "\\d{1,4}",
                    hours = "(?:" + n + "H(?:" + n + "M(?:" + n + "S)?)?|" + n + "M(?:" + n + "S)?|" + n + "S)";
  const std::string days = "(?:" + n + "Y(?:" + n + "M(?:" + n + "D)?)?|" + n + "M(?:" + n + "D)?|" + n + "D)";
  const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", name = label + "(?:\\." + label + "){0,7}";
  const std::string byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)", ipv4 = byte + "(?:\\." + byte + "){3}";
  const std::string h = "[0-9A-Fa-f]{1,4}";
  std::string ipv6 = "(?:" + h + ":){7}" + h;
  for (int before = 0; before <= 6; ++before) {  // groups before ::, and at most so many after it
    const std::string left = before == 0 ? "" : fmt::format("{}(?::{}){{{}}}", h, h, before - 1);
    ipv6 += fmt::format("|{}::(?:{}(?::{}){{0,{}}})?", left, h, h, 5 - before + 1 > 0 ? 5 - before : 0);
  }
  const std::string atom = "[A-Za-z0-9_+-]{1,32}", escaped = "%[0-9A-Fa-f]{2}";
  const std::string path = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|" + escaped + ")*",
                    query = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|" + escaped + ")*";
  return {
      {"date", date},
      {"time", time},
      {"date-time", date + "T" + time},
      {"duration", "P(?:" + days + "(?:T" + hours + ")?|T" + hours + "|" + n + "W)"},
      {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
      {"email", atom + "(?:\\." + atom + "){0,3}@" + label + "(?:\\." + label + "){1,4}"},
      {"hostname", name},
      {"ipv4", ipv4},
      {"ipv6", ipv6},
      {"uri", "[A-Za-z][A-Za-z0-9+.-]{0,15}://(?:" + name + "|" + ipv4 + ")(?::\\d{1,5})?(?:/" + path + ")?(?:\\?" +
                  query + ")?(?:#" + query + ")?"},
      {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
  };
}

}  // namespace

std::optional<Regex> format_regex(const std::string& format, const std::string& pointer) {
  static const auto formats = make_formats();
  for (const std::string_view refused : {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-reference",
                                         "uri-template", "relative-json-pointer", "regex"})
    if (format == refused) refuse_schema(pointer, fmt::format("the format {}", format));
  const auto found = formats.find(format);
  if (found == formats.end()) return {};
  return parse_regex("^(?:" + found->second + ")$");
}

}  // namespace hearth::sample
