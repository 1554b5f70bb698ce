// Every op on the CPU policy.
#pragma once
#include <fauna/ops/activation/cpu.hpp>
#include <fauna/ops/adamw/cpu.hpp>
#include <fauna/ops/add/cpu.hpp>
#include <fauna/ops/attention/cpu.hpp>
#include <fauna/ops/clip/cpu.hpp>
#include <fauna/ops/conv/cpu.hpp>
#include <fauna/ops/cross_entropy/cpu.hpp>
#include <fauna/ops/dropout/cpu.hpp>
#include <fauna/ops/embedding/cpu.hpp>
#include <fauna/ops/gated/cpu.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <fauna/ops/layer_norm/cpu.hpp>
#include <fauna/ops/rms_norm/cpu.hpp>
#include <fauna/ops/rope/cpu.hpp>
#include <fauna/ops/scan/cpu.hpp>
#include <fauna/ops/sgd/cpu.hpp>
