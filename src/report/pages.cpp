#include "report/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "report/pareto.h"
#include "report/svg.h"

namespace hearth::report {

namespace {

// A table: a heading a column, and cells of text.
struct Table {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;
};

std::string with_error(const std::optional<Figure>& figure, int decimals, double factor = 1) {
  return figure ? fmt::format("{:.{}f} ± {:.{}f}", factor * figure->value, decimals, factor * figure->error, decimals)
                : "-";
}

std::string kept_text(const Report& report, const Entry& entry) {
  const Figure share = kept(report, entry);
  if (share.value == 0) return "-";
  return share.error > 0 ? with_error(share, 1, 100) : fmt::format("{:.1f}", 100 * share.value);
}

Table summary(const Report& report) {
  const bool tasks = judged_by_tasks(report);
  Table table{{"method", "MB", "bits/weight", "perplexity", "KL divergence", "same top token, %"}, {}};
  if (tasks) table.headings.push_back("tasks, %");
  for (const char* heading :
       {"kept of the original, %", "prompt, tokens/s", "generation, tokens/s", "peak memory, MB", "compressed in, s"})
    table.headings.push_back(heading);
  for (const Entry& entry : report.entries) {
    std::vector<std::string> row{entry.method,
                                 fmt::format("{:.1f}", double(entry.bytes) / 1e6),
                                 fmt::format("{:.2f}", entry.bits_per_weight),
                                 with_error(entry.perplexity, 3),
                                 with_error(entry.divergence, 4),
                                 with_error(entry.agreement, 1, 100)};
    if (tasks) row.push_back(with_error(entry.average, 1, 100));
    row.push_back(kept_text(report, entry));
    row.push_back(fmt::format("{:.0f}", entry.prompt_speed));
    row.push_back(fmt::format("{:.1f}", entry.generation_speed));
    row.push_back(fmt::format("{:.0f}", double(entry.peak_memory) / 1e6));
    row.push_back(entry.compress_seconds > 0 ? fmt::format("{:.1f}", entry.compress_seconds) : "-");
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table task_table(const Report& report) {
  Table table{{"method"}, {}};
  for (const TaskFigure& task : report.original().tasks)
    table.headings.push_back(fmt::format("{} ({}), %", task.task, task.metric));
  for (const Entry& entry : report.entries) {
    std::vector<std::string> row{entry.method};
    for (const TaskFigure& column : report.original().tasks) {
      const auto at = std::find_if(entry.tasks.begin(), entry.tasks.end(),
                                   [&](const TaskFigure& task) { return task.task == column.task; });
      row.push_back(at == entry.tasks.end() ? "-" : with_error(at->share, 1, 100));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string machine_name(const MachineFacts& machine) {
  return fmt::format("{}, {} threads", machine.cpu, machine.threads);
}

// Generation speed here and elsewhere.
Table machine_table(const Report& report, const std::vector<Report>& others) {
  Table table{{"method", machine_name(report.machine)}, {}};
  for (const Report& other : others) table.headings.push_back(machine_name(other.machine));
  for (const Entry& entry : report.entries) {
    std::vector<std::string> row{entry.method, fmt::format("{:.1f}", entry.generation_speed)};
    for (const Report& other : others) {
      const Entry* const there = other.find(entry.method);
      row.push_back(there ? fmt::format("{:.1f}", there->generation_speed) : "-");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string in_markdown(const Table& table) {
  std::string text = fmt::format("| {} |\n|---|", fmt::join(table.headings, " | "));
  for (std::size_t i = 1; i < table.headings.size(); ++i) text += "---:|";
  text += "\n";
  for (const auto& row : table.rows) text += fmt::format("| {} |\n", fmt::join(row, " | "));
  return text;
}

std::string in_html(const Table& table) {
  std::string text = "<div class=\"wide\"><table>\n<thead><tr>";
  for (const std::string& heading : table.headings) text += "<th>" + escape(heading) + "</th>";
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (const std::string& cell : row) text += "<td>" + escape(cell) + "</td>";
    text += "</tr>\n";
  }
  return text + "</tbody>\n</table></div>\n";
}

std::string conditions(const Report& report) {
  std::string text = fmt::format("Measured on {} with {} kernels, {}.", machine_name(report.machine),
                                 report.machine.kernels, report.machine.date);
  if (!report.text_note.empty()) text += fmt::format(" Perplexity and divergence: {}.", report.text_note);
  if (!report.task_note.empty()) text += fmt::format(" Tasks: {}.", report.task_note);
  return text;
}

constexpr std::string_view reading =
    "Dashed lines join the methods that no other beats in both ways; the dotted line is the original. Bars are one "
    "standard error of the share that is kept: they count only the rows on which a method and the original differ. "
    "Errors of single figures are those of the rows or words that were drawn, the same for every method. Speeds are "
    "medians on the machine as it was, neighbours and all.";

// The pictures' colours are those of their light form: in the dark each is told its other one.
constexpr std::string_view style =
    ":root{color-scheme:light dark;--text:#222;--faint:#555;--line:#ddd;--take:#fff4e8;--mark:#c2410c;--page:#fff}"
    "@media(prefers-color-scheme:dark){:root{--text:#e6e6e6;--faint:#a8a8a8;--line:#3a3a3a;--take:#2c2118;"
    "--mark:#fb923c;--page:#17181a}"
    "svg [fill=\"#ffffff\"]{fill:#17181a}svg [stroke=\"#ffffff\"]{stroke:#17181a}"
    "svg [fill=\"#111111\"]{fill:#f2f2f2}svg [fill=\"#333333\"]{fill:#d0d0d0}svg [fill=\"#666666\"]{fill:#a0a0a0}"
    "svg [stroke=\"#e5e5e5\"]{stroke:#303236}svg [stroke=\"#555555\"]{stroke:#909090}"
    "svg [stroke=\"#b8b8b8\"]{stroke:#6a6a6a}"
    "svg [fill=\"#c2410c\"]{fill:#fb923c}svg [stroke=\"#c2410c\"]{stroke:#fb923c}"
    "svg [fill=\"#1d4ed8\"]{fill:#7aa2ff}svg [stroke=\"#1d4ed8\"]{stroke:#7aa2ff}"
    "svg [fill=\"#047857\"]{fill:#34d399}svg [stroke=\"#047857\"]{stroke:#34d399}"
    "svg [fill=\"#7e22ce\"]{fill:#c084fc}svg [stroke=\"#7e22ce\"]{stroke:#c084fc}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:80rem;margin:2rem auto;"
    "padding:0 1rem}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.8rem;white-space:nowrap}"
    "th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid var(--line)}"
    "th{white-space:normal;vertical-align:bottom}"
    "th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--page)}"
    "p.take{background:var(--take);border-left:4px solid var(--mark);padding:.6rem 1rem}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1rem;"
    "margin:1.5rem 0}figure{margin:0}svg{max-width:100%;height:auto}small{color:var(--faint)}";

}  // namespace

std::vector<Picture> pictures(const Report& report, const std::vector<Report>& others) {
  std::vector<Picture> all;
  // Two pictures of one quality, which `of` tells of an entry: against size, and against speed.
  const auto draw_both = [&](const std::string& name, const std::string& title, const std::string& label, bool high,
                             const std::function<std::optional<Figure>(const Entry&)>& of) {
    const auto whole = of(report.original());
    if (!whole) return;
    ParetoPlot size{report.model + ": " + title + " against size", "size of the file, MB", label, false, high, {""}};
    ParetoPlot speed{report.model + ": " + title + " against speed",
                     "generated, tokens/s",
                     label,
                     true,
                     high,
                     {machine_name(report.machine)}};
    for (const Report& other : others) speed.series.push_back(machine_name(other.machine));
    size.reference = {whole->value, fmt::format("original: {:.1f} MB", double(report.original().bytes) / 1e6)};
    speed.reference = {whole->value, fmt::format("original: {:.1f} tokens/s", report.original().generation_speed)};
    for (const Entry& entry : report.entries) {
      const auto figure = of(entry);
      if (!figure || &entry == &report.original()) continue;
      const auto add = [&](ParetoPlot& plot, double x, std::size_t series) {
        plot.points.push_back({entry.method, x, figure->value, figure->error, series});
      };
      add(size, double(entry.bytes) / 1e6, 0);
      add(speed, entry.generation_speed, 0);
      for (std::size_t i = 0; i < others.size(); ++i)
        if (const Entry* there = others[i].find(entry.method)) add(speed, there->generation_speed, i + 1);
    }
    all.push_back({name + "-size", draw(size)});
    all.push_back({name + "-speed", draw(speed)});
  };
  if (judged_by_tasks(report))
    draw_both("tasks", "tasks", "kept of the original's task performance, %", true,
              [&](const Entry& entry) -> std::optional<Figure> {
                const Figure share = kept(report, entry);
                if (share.value == 0) return std::nullopt;
                return Figure{100 * share.value, 100 * share.error};
              });
  draw_both("perplexity", "perplexity", "perplexity (lower is better)", false,
            [](const Entry& entry) -> std::optional<Figure> {
              if (!entry.perplexity) return std::nullopt;
              return Figure{entry.perplexity->value, 0};  // all err alike: a bar would tell nothing
            });
  return all;
}

std::string markdown(const Report& report, const std::vector<Report>& others) {
  std::string text = fmt::format("# {}: what compression costs and buys\n\n**{}**\n\n{}\n\n{}\n", report.model,
                                 recommendation(report), conditions(report), in_markdown(summary(report)));
  for (const Picture& picture : pictures(report, others)) text += fmt::format("![{0}]({0}.svg)\n\n", picture.name);
  text += fmt::format("{}\n", reading);
  if (judged_by_tasks(report)) text += "\n## Tasks\n\n" + in_markdown(task_table(report));
  if (!others.empty()) text += "\n## Machines: generated, tokens/s\n\n" + in_markdown(machine_table(report, others));
  return text;
}

std::string html(const Report& report, const std::vector<Report>& others) {
  std::string text = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{0}: compression</title>\n<style>{1}</style></head>\n<body>\n<h1>{0}: "
      "what "
      "compression costs and buys</h1>\n<p class=\"take\">{2}</p>\n<p><small>{3}</small></p>\n{4}",
      escape(report.model), style, escape(recommendation(report)), escape(conditions(report)),
      in_html(summary(report)));
  text += "<div class=\"pictures\">\n";
  for (const Picture& picture : pictures(report, others)) text += "<figure>" + picture.svg + "</figure>\n";
  text += "</div>\n";
  text += fmt::format("<p><small>{}</small></p>\n", reading);
  if (judged_by_tasks(report)) text += "<h2>Tasks</h2>\n" + in_html(task_table(report));
  if (!others.empty()) text += "<h2>Machines: generated, tokens/s</h2>\n" + in_html(machine_table(report, others));
  return text + "</body>\n</html>\n";
}

}  // namespace hearth::report
