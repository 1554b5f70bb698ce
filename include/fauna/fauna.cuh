// The CUDA umbrella, for .cu files: models, training and decoding on Cuda<...>, and the reference beside it. It reaches
// no cpu.hpp: what runs on the CPU policy is a .cpp file of its own.
#pragma once
#include <fauna/decode/generate.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cuda.cuh>
#include <fauna/ops/ref.hpp>
#include <fauna/text/bin.hpp>
#include <fauna/text/bytes.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/capture.hpp>
#include <fauna/train/train.hpp>
