// The host umbrella: everything that runs on a CPU. It reaches the standard library, intrinsics, OpenMP and POSIX, and
// nothing else. Eigen views are in <fauna/interop/eigen.hpp>.
#pragma once
#include <fauna/decode/generate.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/dense.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/models/olmoe.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/text/bin.hpp>
#include <fauna/text/bytes.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/capture.hpp>
#include <fauna/train/train.hpp>
