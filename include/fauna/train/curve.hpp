// The loss of a run as a picture: an SVG for files and web pages, and characters for the terminal.
#pragma once
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fauna/core/number_text.hpp>

namespace fauna::inline v0 {

struct LossPoint {
  double step{}, loss{};
};
/// Points in ascending steps; those that are not finite, or beyond 1e12, are left out of the picture.
struct LossSeries {
  const LossPoint* points = nullptr;
  std::size_t count = 0;
};

/// x with a fixed number of decimals, or as short as it is exact where it has 18 digits or more. printf would follow
/// the process's locale, and SVG knows no decimal comma.
inline std::string decimal(double x, int decimals) {
  double scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  if (!(std::fabs(x) * scale < 1e18)) return number_text::of(x);
  const long long n = std::llround(std::fabs(x) * scale);
  std::string digits = std::to_string(n);
  const auto places = static_cast<std::size_t>(decimals);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  if (decimals > 0) digits.insert(digits.size() - places, ".");
  return x < 0 && n != 0 ? '-' + digits : digits;
}

/// A range of an axis that begins and ends on its ticks, which stand `step` apart: 1, 2 or 5 times a power of ten.
struct Axis {
  double low = 0, high = 1, step = 1;
  int decimals = 0;

  Axis() = default;
  /// Covers [from, to] with about `ticks` intervals.
  Axis(double from, double to, int ticks) {
    if (to - from <= 1e-9 * (1 + std::fabs(from))) to = from + (from == 0 ? 1 : std::fabs(from) / 10);
    const double raw = (to - from) / ticks, power = std::pow(10, std::floor(std::log10(raw))), m = raw / power;
    step = power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
    low = std::floor(from / step + 1e-9) * step;
    high = std::ceil(to / step - 1e-9) * step;
    decimals = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  }
  int ticks() const { return static_cast<int>(std::lround((high - low) / step)); }
  double tick(int i) const { return low + i * step; }
  std::string label(int i) const { return decimal(tick(i), decimals); }
  /// 0 at low, 1 at high.
  double at(double x) const { return (x - low) / (high - low); }
};

/// A series ready to draw: no more points than `most`, each the mean of `group` neighbours.
struct LossLine {
  static constexpr double limit = 1e12;
  std::vector<LossPoint> points;
  std::size_t group = 1;

  LossLine(LossSeries s, std::size_t most) {
    std::vector<LossPoint> finite;  // a comparison with NaN is false
    for (std::size_t i = 0; i < s.count; ++i)
      if (std::fabs(s.points[i].step) < limit && std::fabs(s.points[i].loss) < limit) finite.push_back(s.points[i]);
    group = (finite.size() + most - 1) / most;
    if (group < 1) group = 1;
    for (std::size_t i = 0; i < finite.size(); i += group) {
      const std::size_t end = i + group < finite.size() ? i + group : finite.size();
      LossPoint mean;
      for (std::size_t k = i; k < end; ++k) {
        mean.step += finite[k].step / static_cast<double>(end - i);
        mean.loss += finite[k].loss / static_cast<double>(end - i);
      }
      points.push_back(mean);
    }
  }
};

/// Axes that hold both lines.
struct LossFrame {
  Axis x{0, 1, 1}, y{0, 1, 1};
  bool empty = true;

  LossFrame(LossLine const& a, LossLine const& b, int x_ticks, int y_ticks) {
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (const LossLine* line : {&a, &b})
      for (LossPoint const& p : line->points) {
        x0 = std::fmin(x0, p.step);
        x1 = std::fmax(x1, p.step);
        y0 = std::fmin(y0, p.loss);
        y1 = std::fmax(y1, p.loss);
      }
    if (!(x0 <= x1)) return;
    empty = false;
    x = Axis(x0, x1, x_ticks);
    y = Axis(y0, y1, y_ticks);
  }
};

/// The picture, 720 x 400, readable on light and dark pages (it follows the reader's colour scheme). Either series may
/// be empty.
inline std::string loss_svg(LossSeries train, LossSeries val, std::string const& title = {}) {
  constexpr double width = 720, height = 400, left = 64, right = 690, top = 72, bottom = 344;
  const LossLine lines[2] = {LossLine(train, 600), LossLine(val, 600)};
  const LossFrame frame(lines[0], lines[1], 8, 6);
  const auto px = [&](double step) { return decimal(left + frame.x.at(step) * (right - left), 1); };
  const auto py = [&](double loss) { return decimal(bottom - frame.y.at(loss) * (bottom - top), 1); };
  const auto text = [](std::string const& x, std::string const& y, const char* anchor, std::string const& s) {
    std::string safe;
    for (const char c : s) safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return "<text x=\"" + x + "\" y=\"" + y + "\" text-anchor=\"" + anchor + "\">" + safe + "</text>\n";
  };

  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + decimal(width, 0) + ' ' + decimal(height, 0) +
      "\" width=\"" + decimal(width, 0) + "\" height=\"" + decimal(height, 0) +
      "\" role=\"img\" aria-label=\"Loss over training steps\">\n"
      "<style>\n"
      ".page { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif }\n"
      ".title text { font-weight: 600; font-size: 15px } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }\n"
      ".line { fill: none; stroke-linejoin: round; stroke-linecap: round }\n"
      ".train { stroke: #54aeff; stroke-width: 1.25 } .val { stroke: #cf222e; stroke-width: 2 }\n"
      ".dot { fill: #cf222e }\n"
      "@media (prefers-color-scheme: dark) {\n"
      "  .page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .axis { stroke: #8b949e }\n"
      "  .train { stroke: #388bfd } .val { stroke: #ff7b72 } .dot { fill: #ff7b72 }\n"
      "}\n"
      "</style>\n"
      "<rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n";
  if (!title.empty()) svg += "<g class=\"title\">" + text(decimal(left, 0), "28", "start", title) + "</g>\n";
  if (frame.empty) return svg + text("360", "200", "middle", "no losses yet") + "</svg>\n";

  const auto stroke = [](const char* kind, std::string const& x1, std::string const& y1, std::string const& x2,
                         std::string const& y2) {
    return std::string("<line class=\"") + kind + "\" x1=\"" + x1 + "\" y1=\"" + y1 + "\" x2=\"" + x2 + "\" y2=\"" +
           y2 + "\"/>\n";
  };
  const std::string l = decimal(left, 1), r = decimal(right, 1), b = decimal(bottom, 1);
  for (int i = 0; i <= frame.y.ticks(); ++i) {
    const double y = bottom - frame.y.at(frame.y.tick(i)) * (bottom - top);
    svg += stroke("grid", l, decimal(y, 1), r, decimal(y, 1));
    svg += text(decimal(left - 8, 1), decimal(y + 4.5, 1), "end", frame.y.label(i));
  }
  for (int i = 0; i <= frame.x.ticks(); ++i) {
    const std::string x = px(frame.x.tick(i));
    svg +=
        stroke("axis", x, b, x, decimal(bottom + 5, 1)) + text(x, decimal(bottom + 20, 1), "middle", frame.x.label(i));
  }
  svg += stroke("axis", l, b, r, b);
  svg += text(decimal((left + right) / 2, 1), decimal(height - 14, 1), "middle", "step");
  svg += text(decimal(left - 8, 1), decimal(top - 14, 1), "end", "loss");

  const char* kinds[2] = {"train", "val"};
  for (int which = 0; which < 2; ++which) {
    const auto& points = lines[which].points;
    if (points.empty()) continue;
    svg += std::string("<polyline class=\"line ") + kinds[which] + "\" points=\"";
    for (LossPoint const& p : points) svg += px(p.step) + ',' + py(p.loss) + ' ';
    svg.back() = '"';
    svg += "/>\n";
    if (which == 1 && points.size() <= 60)
      for (LossPoint const& p : points)
        svg += "<circle class=\"dot\" cx=\"" + px(p.step) + "\" cy=\"" + py(p.loss) + "\" r=\"3\"/>\n";
  }
  double legend = right;  // written from right to left, a character taken as 6.8 wide
  for (int which = 1; which >= 0; --which) {
    LossLine const& line = lines[which];
    if (line.points.empty()) continue;
    std::string label = std::string(kinds[which]) + ' ' + decimal(line.points.back().loss, 3);
    if (line.group > 1) label += " (means of " + std::to_string(line.group) + ')';
    svg += text(decimal(legend, 1), "51", "end", label);
    legend -= 6.8 * static_cast<double>(label.size()) + 8;
    svg += stroke((std::string("line ") + kinds[which]).c_str(), decimal(legend - 22, 1), "46.5", decimal(legend, 1),
                  "46.5");
    legend -= 38;
  }
  return svg + "</svg>\n";
}

/// The picture in ASCII, `columns` x `rows` characters of plot: '.' is train, 'o' is val.
inline std::string loss_text(LossSeries train, LossSeries val, int columns = 64, int rows = 16) {
  const LossLine lines[2] = {LossLine(train, static_cast<std::size_t>(columns)),
                             LossLine(val, static_cast<std::size_t>(columns))};
  const LossFrame frame(lines[0], lines[1], 4, 4);
  if (frame.empty) return "no losses yet\n";

  std::vector<std::string> plot(static_cast<std::size_t>(rows), std::string(static_cast<std::size_t>(columns), ' '));
  const auto cell = [](double at, int n) { return static_cast<std::size_t>(std::lround(at * (n - 1))); };
  for (int which = 0; which < 2; ++which)
    for (LossPoint const& p : lines[which].points)
      plot[cell(1 - frame.y.at(p.loss), rows)][cell(frame.x.at(p.step), columns)] = which == 0 ? '.' : 'o';

  std::vector<std::string> labels(plot.size());
  std::size_t margin = 4;
  for (int i = 0; i <= frame.y.ticks(); ++i) {
    std::string& label = labels[cell(1 - frame.y.at(frame.y.tick(i)), rows)];
    label = frame.y.label(i);
    if (label.size() > margin) margin = label.size();
  }
  std::string out;
  for (std::size_t i = 0; i < plot.size(); ++i) {
    while (!plot[i].empty() && plot[i].back() == ' ') plot[i].pop_back();
    out += std::string(margin - labels[i].size(), ' ') + labels[i] + (labels[i].empty() ? " |" : " +") + plot[i] + '\n';
  }
  std::string rule(static_cast<std::size_t>(columns), '-'), under(margin + 2 + static_cast<std::size_t>(columns), ' ');
  for (int i = 0; i <= frame.x.ticks(); ++i) {
    const std::size_t x = cell(frame.x.at(frame.x.tick(i)), columns);
    rule[x] = '+';
    const std::string label = frame.x.label(i);
    const std::size_t centre = margin + 2 + x, half = label.size() / 2;
    under.resize(under.size() + label.size(), ' ');
    under.replace(centre > half ? centre - half : 0, label.size(), label);
  }
  while (under.back() == ' ') under.pop_back();
  out += std::string(margin + 2, ' ') + rule + '\n' + under + '\n';
  out += std::string(margin + 2, ' ') + "loss by step:";
  for (int which = 0; which < 2; ++which)
    if (!lines[which].points.empty())
      out += std::string(which == 0 ? "  . train " : "  o val ") + decimal(lines[which].points.back().loss, 3);
  return out + '\n';
}

}  // namespace fauna::inline v0
