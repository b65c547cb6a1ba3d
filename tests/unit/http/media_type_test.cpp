#include "http/media_type.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

TEST(media_type, by_ending) {
    struct row {
        const char *path, *expected;
    };
    for (const row& each : {
             row{"index.html", "text/html; charset=utf-8"},
             row{"/srv/a/INDEX.HTML", "text/html; charset=utf-8"},
             row{"a.css", "text/css; charset=utf-8"},
             row{"a.min.js", "text/javascript; charset=utf-8"},
             row{"a.json", "application/json"},
             row{"a.svg", "image/svg+xml"},
             row{"a.tar.gz", "application/gzip"},
             row{"a.7z", "application/x-7z-compressed"},
             row{"a.zst", "application/zstd"},
             row{"a.webmanifest", "application/manifest+json"},
             row{"dump.xml", "application/xml"},
             row{"dump.xml.bz2", "application/x-bzip2"},
         }) {
        EXPECT_EQ(media_type(each.path), each.expected) << each.path;
    }
}

TEST(media_type, unknown) {
    for (const char* path :
         {"", "a", "a.", ".html", "/x/.html", "/x.html/y", "a.unknown", "a.htmlx",
          "a.averyveryverylongending", "a.html/", "html", "a.h\xc3\xa9"}) {
        EXPECT_EQ(media_type(path), "application/octet-stream") << path;
    }
}

}  // namespace
}  // namespace allcores::http
