// An engine that does nothing: tests of what stands before a model override what they ask it for.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <tools/src/engine.hpp>

struct IdleEngine : tool::Engine {
  int vocab() const override { return 1; }
  int context() const override { return 1; }
  int width() const override { return 1; }
  void load(fauna::TensorFile const&, int, std::string const&) override {}
  std::size_t weight_bytes() const override { return 0; }
  std::size_t slot_bytes(int) const override { return 0; }
  void logits(std::vector<int> const&, int, float*) override {}
  void losses(const int*, const int*, int, float*) override {}
  void further_losses(const int*, const int*, int, bool, float*) override {}
  std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const&,
                            std::function<bool(int)> const&) override {
    return prompt;
  }
  std::unique_ptr<tool::Reader> reader(int, int, int) override { return nullptr; }
  std::unique_ptr<tool::Slots> slots(int, int, int, bool) override { return nullptr; }
};
