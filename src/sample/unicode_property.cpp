#include "sample/unicode_property.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace hearth::sample {

namespace {

struct Category {
  std::string_view name, long_name, other_name = {};
};
// In utf8proc's order.
constexpr std::array<Category, 30> categories = {{
    {"Cn", "Unassigned"},
    {"Lu", "Uppercase_Letter"},
    {"Ll", "Lowercase_Letter"},
    {"Lt", "Titlecase_Letter"},
    {"Lm", "Modifier_Letter"},
    {"Lo", "Other_Letter"},
    {"Mn", "Nonspacing_Mark"},
    {"Mc", "Spacing_Mark"},
    {"Me", "Enclosing_Mark"},
    {"Nd", "Decimal_Number", "digit"},
    {"Nl", "Letter_Number"},
    {"No", "Other_Number"},
    {"Pc", "Connector_Punctuation"},
    {"Pd", "Dash_Punctuation"},
    {"Ps", "Open_Punctuation"},
    {"Pe", "Close_Punctuation"},
    {"Pi", "Initial_Punctuation"},
    {"Pf", "Final_Punctuation"},
    {"Po", "Other_Punctuation"},
    {"Sm", "Math_Symbol"},
    {"Sc", "Currency_Symbol"},
    {"Sk", "Modifier_Symbol"},
    {"So", "Other_Symbol"},
    {"Zs", "Space_Separator"},
    {"Zl", "Line_Separator"},
    {"Zp", "Paragraph_Separator"},
    {"Cc", "Control", "cntrl"},
    {"Cf", "Format"},
    {"Cs", "Surrogate"},
    {"Co", "Private_Use"},
}};
// Several at once, by the letter that they begin with.
constexpr Category groups[] = {{"L", "Letter"}, {"M", "Mark", "Combining_Mark"},
                               {"N", "Number"}, {"P", "Punctuation", "punct"},
                               {"S", "Symbol"}, {"Z", "Separator"},
                               {"C", "Other"}};

constexpr bool is_called(const Category& category, std::string_view name) {
  return name == category.name || name == category.long_name || name == category.other_name;
}

using Sets = std::array<CharacterSet, categories.size()>;

const Sets& sets() {
  static const Sets all = [] {
    Sets made;
    const auto category = [](char32_t c) { return utf8proc_category(utf8proc_int32_t(c)); };
    for (char32_t first = 0; first <= last_character;) {
      char32_t last = first;
      while (last < last_character && category(last + 1) == category(first)) ++last;
      made[std::size_t(category(first))].add(first, last);
      first = last + 1;
    }
    return made;
  }();
  return all;
}

template <class Wanted>
CharacterSet all_of(const Wanted& wanted) {
  CharacterSet set;
  for (std::size_t i = 0; i < categories.size(); ++i)
    if (wanted(categories[i])) set.add(sets()[i]);
  return set;
}

}  // namespace

std::optional<CharacterSet> unicode_property(std::string_view name) {
  if (name == "Any") return CharacterSet::all();
  if (name == "ASCII") return CharacterSet{{0, 0x7f}};
  if (name == "Assigned") return unicode_property("Cn")->negated();
  for (const std::string_view word : {"gc=", "General_Category="})
    if (name.starts_with(word)) {
      name.remove_prefix(word.size());
      break;
    }
  if (name.empty()) return {};
  if (name == "LC" || name == "Cased_Letter")
    return all_of([](const Category& c) { return c.name == "Lu" || c.name == "Ll" || c.name == "Lt"; });
  for (const Category& group : groups)
    if (is_called(group, name)) return all_of([&](const Category& c) { return c.name[0] == group.name[0]; });
  const auto found =
      std::find_if(categories.begin(), categories.end(), [&](const Category& c) { return is_called(c, name); });
  if (found == categories.end()) return {};
  return sets()[std::size_t(found - categories.begin())];
}

}  // namespace hearth::sample
