// A device for Paddle that is not the CPU, though its memory is the host's: it reports every copy.
//
// Paddle loads it through its interface for custom devices. It has no kernels: Paddle falls back to those for
// CPUs, and copies their arguments there and their results back. Such copies say nothing about a GPU, which
// has the kernels; they are told from the others by who calls, `is_of_fallback`. The others are those that
// some line of Python asks for: to_tensor, numpy, float, set_value, a condition.
//
// What a GPU's kernel reads in order to know its result's shape, such as a mask's, is not seen here.
#include <dlfcn.h>
#include <execinfo.h>
#include <stdint.h>  // which Paddle 2.6's header leaves out
#include <stdlib.h>

#include <unordered_map>

#include "paddle/phi/backends/device_ext.h"

typedef void (*Listener)(int direction, size_t bytes, bool is_async, bool is_fallback);

static Listener listener = nullptr;

extern "C" void set_listener(Listener function) { listener = function; }

namespace {

enum Direction { UPLOAD, DOWNLOAD, WITHIN };

bool moves_arguments(void* address) {
  static thread_local std::unordered_map<void*, bool> known;  // to look a name up takes long
  auto found = known.find(address);
  if (found != known.end()) return found->second;
  Dl_info info;
  const char* name = dladdr(address, &info) && info.dli_sname ? info.dli_sname : "";
  bool moves = strstr(name, "PrepareData") || strstr(name, "TransData");
  return known[address] = moves;
}

// Say whether this copy is of an argument or result of a kernel that only CPUs have.
bool is_of_fallback() {
  void* frames[24];
  int depth = backtrace(frames, 24);
  for (int i = 0; i < depth; ++i)
    if (moves_arguments(frames[i])) return true;
  return false;
}

template <Direction direction>
C_Status copy(const C_Device, void* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes);
  if (listener) listener(direction, bytes, false, is_of_fallback());
  return C_SUCCESS;
}

template <Direction direction>
C_Status async_copy(const C_Device, C_Stream, void* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes);
  if (listener) listener(direction, bytes, true, is_of_fallback());
  return C_SUCCESS;
}

C_Status allocate(const C_Device, void** memory, size_t bytes) {
  return posix_memalign(memory, 64, bytes) ? C_FAILED : C_SUCCESS;  // as Paddle's own on CPUs
}

C_Status release(const C_Device, void* memory, size_t) {
  free(memory);
  return C_SUCCESS;
}

template <typename Handle>
C_Status create(const C_Device, Handle* handle) {
  *handle = reinterpret_cast<Handle>(1);  // not null, or Paddle would copy without streams
  return C_SUCCESS;
}

template <size_t value>
C_Status number(size_t* result) {
  *result = value;
  return C_SUCCESS;
}

template <size_t value>
C_Status number(const C_Device, size_t* result) {  // Paddle 2.6 asks for some without a device
  return number<value>(result);
}

template <typename... Arguments>
C_Status nothing(Arguments...) {
  return C_SUCCESS;
}

C_Status current(const C_Device device) {
  device->id = 0;
  return C_SUCCESS;
}

C_Status memory_left(const C_Device, size_t* total, size_t* left) {
  *total = *left = size_t(4) << 30;
  return C_SUCCESS;
}

}  // namespace

extern "C" void InitPlugin(CustomRuntimeParams* params) {
  PADDLE_CUSTOM_RUNTIME_CHECK_VERSION(params);
  params->device_type = const_cast<char*>("fake");
  params->sub_device_type = const_cast<char*>("host_memory");
  C_DeviceInterface* api = params->interface;
  memset(reinterpret_cast<void*>(api), 0, sizeof(*api));
  api->size = sizeof(*api);
  api->initialize = nothing;
  api->finalize = nothing;
  api->init_device = nothing;
  api->deinit_device = nothing;
  api->set_device = nothing;
  api->get_device = current;
  api->create_stream = create;
  api->destroy_stream = nothing;
  api->create_event = create;
  api->record_event = nothing;
  api->destroy_event = nothing;
  api->synchronize_device = nothing;
  api->synchronize_stream = nothing;
  api->synchronize_event = nothing;
  api->stream_wait_event = nothing;
  api->device_memory_allocate = allocate;
  api->device_memory_deallocate = release;
  api->host_memory_allocate = allocate;
  api->host_memory_deallocate = release;
  api->memory_copy_h2d = copy<UPLOAD>;
  api->memory_copy_d2h = copy<DOWNLOAD>;
  api->memory_copy_d2d = copy<WITHIN>;
  api->async_memory_copy_h2d = async_copy<UPLOAD>;
  api->async_memory_copy_d2h = async_copy<DOWNLOAD>;
  api->async_memory_copy_d2d = async_copy<WITHIN>;
  api->get_device_count = number<1>;
  api->get_device_list = number<0>;
  api->device_memory_stats = memory_left;
  api->device_min_chunk_size = number<64>;
  api->device_max_chunk_size = number<size_t(1) << 20>;
  api->device_max_alloc_size = number<size_t(1) << 32>;
  api->get_compute_capability = number<0>;
  api->get_runtime_version = number<0>;
  api->get_driver_version = number<0>;
}
