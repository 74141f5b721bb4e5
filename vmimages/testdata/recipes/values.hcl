image "other" {
  description = "values out of range"
  cmdline     = ["quiet"]
  kernel {
    package = "linux-image-amd64"
    modules = { port = ["virtio_blk"], modem = ["virtio_net"] }
    needs   = { kernal = { CONFIG_MODULES = "modules" } }
  }
  initramfs {
    directories = ["proc", "../etc"]
    programs    = ["work", "wrok"]
  }
  disk {
    size_mib        = 1
    uuid            = "1234"
    hash_seed       = "F1EE7FA1-1000-4000-8000-000000000002"
    content_version = 1
  }
  limit_mb = 0
}
