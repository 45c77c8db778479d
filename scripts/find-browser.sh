#!/bin/sh
# Makes sure that a Chromium is there for the page tests, installing Debian's where that is allowed.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
install="apt-get install --yes --quiet --no-install-recommends chromium fonts-dejavu-core"
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        (apt-get update --quiet && $install) >/dev/null 2>&1
    elif sudo -n true 2>/dev/null; then
        (sudo apt-get update --quiet && sudo $install) >/dev/null 2>&1
    fi
fi
command -v chromium >/dev/null 2>&1 || echo "No Chromium found: the page tests will be skipped." >&2
exit 0
