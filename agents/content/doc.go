// Package content is the channel file: the vendor's rapid-response content, as an agent downloads it. It encodes,
// decodes, signs, verifies and mutates it.
//
// A channel file is, in little-endian order:
//
//	file      = "FFCH" format:u16(=1) flags:u16(=0) version:u64 payload_len:u32 payload signature:64
//	payload   = ntemplates:u16 template* ninstances:u16 instance*
//	template  = id:u16 name:str8 field_count:u8 field*      (field_count fields; each is its name)
//	field     = name:str8
//	instance  = id:u32 template_id:u16 action:u8 name:str8 ncriteria:u8 criterion*
//	criterion = op:u8 value:str16
//	str8      = len:u8 bytes;  str16 = len:u16 bytes
//
// action is 0 detect, 1 block or 2 inspect; op is 0 any (its value is empty), 1 equals, 2 prefix, 3 contains, 4 glob ('*' any
// run, '?' any one byte, no escapes), or a group on the same field, 5 any_of or 6 all_of, whose value is one or more
// criteria. An instance has one criterion for each field that its template declares. The
// signature is Ed25519 over everything before it. Nothing follows the signature.
//
// Limits: file 1 MiB; 16 templates with distinct ids; 1 to 64 fields a template; 1024 instances with distinct ids; names 1 to 64
// bytes; values at most 256 bytes, those of groups apart; groups at most 8 deep. agents/interpreter enforces the same in C, if
// it is told to: see its README.md.
//
// The process template (id 291) declares 21 fields, of which a sensor supplies 20: see [Fields]. The file template (id 292)
// declares what sensors supply of things done to files: see [FileFields].
package content
