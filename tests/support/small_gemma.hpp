// A small RecurrentGemma: two layers have a state of one size, the third a window of 20 rows, in a ring of 192.
#pragma once
#include <fauna/models/recurrent_gemma.hpp>

namespace test {

using SmallGemma = fauna::RecurrentGemma<fauna::RecurrentGemmaConfig{{.layers = 4,
                                                                      .heads = 2,
                                                                      .kv_heads = 1,
                                                                      .head_size = 8,
                                                                      .width = 12,
                                                                      .hidden = 16,
                                                                      .context = 530,
                                                                      .vocab = 13,
                                                                      .window = 20,
                                                                      .turned = 0.5,
                                                                      .embedding_scale = 3},
                                                                     {.mixers = "rrw"},
                                                                     {.channels = 8, .taps = 3}}>;

}  // namespace test
