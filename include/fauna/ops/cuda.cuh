// Every op on the CUDA policy.
#pragma once
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/attention/kernel.cuh>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/dropout/kernel.cuh>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/gated/kernel.cuh>
#include <fauna/ops/gemm/cuda.cuh>
#include <fauna/ops/layer_norm/kernel.cuh>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rope/kernel.cuh>
#include <fauna/ops/scale/kernel.cuh>
#include <fauna/ops/sgd/kernel.cuh>
