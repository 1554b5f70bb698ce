// A GptConfig as a line of text, as checkpoints keep it, and as the C++ type that it stands for.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fauna/core/error.hpp>
#include <fauna/models/gpt.hpp>

namespace fauna::inline v0 {

/// "gpt layers=4 heads=4 width=128 context=64 vocab=65 bias=0 dropout_millionths=0 activation=gelu". Dropout is a whole
/// number of millionths, so that no locale and no rounding can change it.
inline std::string to_text(GptConfig const& c) {
  const auto number = [](const char* name, long n) { return std::string(" ") + name + '=' + std::to_string(n); };
  return "gpt" + number("layers", c.layers) + number("heads", c.heads) + number("width", c.width) +
         number("context", c.context) + number("vocab", c.vocab) + number("bias", c.bias) +
         number("dropout_millionths", std::lround(static_cast<double>(c.dropout) * 1e6)) +
         " activation=" + name_of(c.act);
}

/// The config that a line of to_text stands for. Throws on any other line.
inline GptConfig gpt_config(std::string const& line) {
  GptConfig c;
  long bias = 0, dropout = 0;
  char act[16] = {};
  const int n = std::sscanf(line.c_str(),
                            "gpt layers=%d heads=%d width=%d context=%d vocab=%d bias=%ld dropout_millionths=%ld "
                            "activation=%15s",
                            &c.layers, &c.heads, &c.width, &c.context, &c.vocab, &bias, &dropout, act);
  c.act = std::string(act) == name_of(activation::gelu_tanh) ? activation::gelu_tanh : activation::gelu;
  c.bias = bias != 0;
  c.dropout = static_cast<float>(static_cast<double>(dropout) * 1e-6);
  if (n != 8 || to_text(c) != line)
    fail("model", "the description '" + line + '\'', "a line such as " + to_text(GptConfig{}));
  return c;
}

/// "fauna::Gpt<fauna::GptConfig{.layers = 4, ...}>"
inline std::string cpp_type(GptConfig const& c) {
  const auto number = [](const char* name, int n) {
    return std::string(".") + name + " = " + std::to_string(n) + ", ";
  };
  std::string s = "fauna::Gpt<fauna::GptConfig{" + number("layers", c.layers) + number("heads", c.heads) +
                  number("width", c.width) + number("context", c.context) + number("vocab", c.vocab) +
                  ".bias = " + (c.bias ? "true" : "false");
  const long millionths = std::lround(static_cast<double>(c.dropout) * 1e6);
  if (millionths > 0) {
    std::string digits = std::to_string(1000000 + millionths);  // dropout is below 1: a 1, then six decimals
    while (digits.back() == '0') digits.pop_back();
    s += ", .dropout = 0." + digits.substr(1) + "F";
  }
  if (c.act != GptConfig{}.act) s += std::string(", .act = fauna::activation::") + name_of(c.act);
  return s + "}>";
}

}  // namespace fauna::inline v0
