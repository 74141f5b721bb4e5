image "structure" {
  description = "a misspelt attribute, a missing one, a missing block"
  cmdlin      = ["quiet"]
  kernel {
    package = "linux-image-*-cloud-amd64"
    modules = "virtio_blk"
  }
  initramfs {
    directories = []
    programs    = []
  }
  limit_mb = 40
}
