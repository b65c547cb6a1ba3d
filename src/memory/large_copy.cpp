#include "memory/large_copy.h"

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace allcores::memory {

void copy_large(void* to, const void* from, std::size_t bytes) noexcept {
#ifdef __SSE2__
    if (bytes >= least_past_caches) {
        constexpr std::size_t line = 64, ahead = 16 * line;
        auto* out = static_cast<char*>(to);
        const auto* in = static_cast<const char*>(from);
        const std::size_t head = -reinterpret_cast<std::uintptr_t>(out) % line;
        std::memcpy(out, in, head);
        out += head;
        in += head;
        bytes -= head;
        for (; bytes >= line; bytes -= line, out += line, in += line) {
            // (A prefetch past the end is none.)
            _mm_prefetch(in + ahead, _MM_HINT_NTA);
            const auto* read = reinterpret_cast<const __m128i*>(in);
            auto* written = reinterpret_cast<__m128i*>(out);
            const __m128i parts[] = {_mm_loadu_si128(read), _mm_loadu_si128(read + 1),
                                     _mm_loadu_si128(read + 2), _mm_loadu_si128(read + 3)};
            for (int i = 0; i < 4; i++) _mm_stream_si128(written + i, parts[i]);
        }
        _mm_sfence();  // such stores are not ordered with those that publish the message
        to = out;
        from = in;
    }
#endif
    std::memcpy(to, from, bytes);
}

}  // namespace allcores::memory
