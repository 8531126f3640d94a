-- SPDX-License-Identifier: Apache-2.0
-- Wireshark: IoT SAFE in packets of GSMTAP, as a trace of iotsafe (trace = pcap:PATH) has
-- them. Names commands, tags, values and status words as the text of the trace does.
--
--   wireshark -X lua_script:iotsafe.lua trace.pcap
--
-- or put this file into the folder of personal Lua plugins (Help, About Wireshark, Folders).
-- Columns and filters: iotsafe.command, iotsafe.result, iotsafe.sw, iotsafe.object.label, ...
-- What is no IoT SAFE goes on to Wireshark's own dissector. Commands with the class byte of
-- ISO 7816-4 (0N) may be those of another application, as READ BINARY: a preference tells.

local proto = Proto("iotsafe", "IoT SAFE")
local gsm_sim = Dissector.get("gsm_sim")

proto.prefs.plain_class = Pref.bool("Commands of class 0N are IoT SAFE", true,
	"Switch it off for captures of all that a phone and its SIM say to each other.")

-- ------------------------------------------------------------------ commands

-- iso: class 0N; also_8n: as the command that it serves. init, update: of a session.
-- data: P3 is Lc, else Le; a function where P1 decides.
-- objects: the response has some. secret: of what the trace masks.
local commands = {
	[0x70] = { name = "MANAGE CHANNEL", iso = true, response = "channel" },
	[0xA4] = { name = "SELECT", iso = true, data = true },
	[0xC0] = { name = "GET RESPONSE", iso = true, also_8n = true },
	[0xCB] = {
		name = "GET DATA",
		objects = true,
		data = function(p1) return p1 > 1 end,
	},
	[0x84] = { name = "GET RANDOM", secret = true },
	[0xB0] = { name = "READ FILE", data = true },
	[0xCD] = { name = "READ PUBLIC KEY", data = true, objects = true },
	[0x24] = { name = "PUT PUBLIC KEY INIT", data = true, init = true },
	[0xD8] = { name = "PUT PUBLIC KEY UPDATE", data = true, update = true },
	[0xB9] = { name = "GENERATE KEY PAIR", data = true, objects = true },
	[0x2A] = { name = "COMPUTE SIGNATURE INIT", data = true, init = true },
	[0x2B] = { name = "COMPUTE SIGNATURE UPDATE", data = true, update = true, objects = true },
	[0x2C] = { name = "VERIFY SIGNATURE INIT", data = true, init = true },
	[0x2D] = { name = "VERIFY SIGNATURE UPDATE", data = true, update = true },
	[0x46] = { name = "COMPUTE DH", data = true, secret = true },
	[0x48] = { name = "COMPUTE PRF", data = true, secret = true },
	[0x4A] = { name = "COMPUTE HKDF", data = true, secret = true },
}

-- ---------------------------------------------------------------------- tags

-- A list of pairs, so that the order is that of the text.
local functions = { { 1, "signature" }, { 2, "generation" }, { 4, "agreement" }, { 8, "derivation" } }
local agreements = { { 1, "ECDH" } }

local tags = {
	[0x10] = { name = "version", form = "bytes" },
	[0x11] = { name = "applet id", form = "bytes" },
	[0x20] = { name = "size", form = "number" },
	[0x21] = { name = "usage", form = "word", words = { { 1, "general" }, { 2, "certificate" } } },
	[0x34] = { name = "public key", form = "count" },
	[0x4A] = { name = "state", form = "word", words = { { 0, "deactivated" }, { 1, "activated" } } },
	[0x4B] = {
		name = "type",
		form = "word",
		words = {
			{ 0x03, "RSA-2048" }, { 0x13, "P-256" }, { 0x14, "P-256 volatile" },
			{ 0x23, "brainpoolP256r1" }, { 0x24, "brainpool volatile" }, { 0xA0, "HMAC" },
		},
	},
	[0x4E] = {
		name = "usage",
		form = "word",
		words = { { 1, "general" }, { 2, "TLS 1.2" }, { 3, "TLS 1.3" } },
	},
	[0x60] = { name = "access", form = "bits", words = { { 1, "read" }, { 2, "update" } } },
	[0x61] = { name = "functions", form = "bits", words = functions },
	[0x90] = { name = "functions", form = "bits", words = functions },
	[0x6F] = { name = "key agreement", form = "bits", words = agreements },
	[0x93] = { name = "key agreement", form = "bits", words = agreements },
	[0x91] = {
		name = "hash",
		form = "bits",
		words = { { 1, "SHA-256" }, { 2, "SHA-384" }, { 4, "SHA-512" } },
	},
	[0x92] = {
		name = "algorithm",
		form = "bits",
		words = { { 1, "RSA PKCS #1" }, { 2, "RSA PSS" }, { 4, "ECDSA" } },
	},
	[0x94] = { name = "key derivation", form = "bits", words = { { 1, "PRF" }, { 2, "HKDF" } } },
	[0x9A] = { name = "last block", form = "count" },
	[0x9B] = { name = "text", form = "count" },
	[0x9C] = { name = "intermediate hash", form = "count" },
	[0x9D] = { name = "hashed bytes", form = "number" },
	[0x9E] = { name = "digest", form = "count" },
	[0xA1] = {
		name = "mode",
		form = "word",
		words = { { 1, "full text" }, { 2, "last block" }, { 3, "pad and sign" } },
	},
	[0xB1] = { name = "files at most", form = "number" },
	[0xB2] = { name = "private keys at most", form = "number" },
	[0xB3] = { name = "public keys at most", form = "number" },
	[0xB4] = { name = "secrets at most", form = "number" },
	[0xB7] = { name = "sessions at most", form = "number" },
}
local SIGNATURE = 0x33
local kinds = { [3] = "file", [4] = "private key", [5] = "public key", [6] = "secret" }

-- Only in commands whose data the trace masks: seen in captures of others.
local inputs = {
	[0xD1] = "secret", [0xD2] = "label and seed", [0xD3] = "length", [0xD4] = "premaster",
	[0xD5] = "salt",
}

local tag_names = { [SIGNATURE] = "signature", [0x49] = "ECC public key" }
for tag, row in pairs(tags) do tag_names[tag] = row.name end
for tag, name in pairs(inputs) do tag_names[tag] = name end
for n, kind in pairs(kinds) do
	tag_names[0x70 + n] = kind .. " label"
	tag_names[0x80 + n] = kind .. " id"
end
for i, kind in ipairs({ "private key", "public key", "file", "secret" }) do
	tag_names[0xC0 + i] = kind .. " template"
end

-- -------------------------------------------------------------- status words

local status_words = {
	[0x9000] = "success",
	[0x63CF] = "success, remote administration has ended",
	[0x6200] = "warning without information",
	[0x6282] = "warning: end of file",
	[0x6283] = "applet is deactivated",
	[0x6300] = "more data follows",
	[0x6400] = "the applet found its stored data corrupt",
	[0x6581] = "memory failure in the card",
	[0x6700] = "wrong length",
	[0x6881] = "logical channel is not open",
	[0x6882] = "secure messaging not supported",
	[0x6981] = "incompatible with the file, or offset out of range",
	[0x6982] = "security status not satisfied",
	[0x6984] = "object in use by remote administration",
	[0x6985] = "conditions of use not satisfied: object deactivated, function not granted, or session state",
	[0x6989] = "object changed by remote administration, or limit of sessions reached",
	[0x6999] = "no applet is selected",
	[0x6A80] = "command data refused: no such key, wrong encoding, or algorithm not supported",
	[0x6A81] = "function not supported",
	[0x6A82] = "file or object not found",
	[0x6A83] = "record not found",
	[0x6A84] = "not enough memory in the card",
	[0x6A86] = "wrong parameters, or the session is open",
	[0x6A88] = "referenced data not found",
	[0x6B00] = "wrong parameters",
	[0x6D00] = "instruction not supported",
	[0x6D01] = "signature does not match",
	[0x6E00] = "class byte not supported",
}
local status_by_sw1 = {
	[0x60] = "the card wants more time",
	[0x91] = "success, a proactive command is pending",
	[0x6F] = "internal error of the card",
	[0x93] = "SIM toolkit is busy",
	[0x6C] = "wrong expected length",
}

local function meaning(sw)
	local sw1, low = math.floor(sw / 256), sw % 256
	local count = low == 0 and 256 or low

	if sw1 == 0x61 or sw1 == 0x9F then return ("%d bytes wait"):format(count) end
	if sw1 == 0x6C then return ("%s, %d is right"):format(status_by_sw1[sw1], count) end
	return status_words[sw] or status_by_sw1[sw1] or "unknown status word"
end

-- -------------------------------------------------------------------- fields

local command_names = {}
for ins, row in pairs(commands) do command_names[ins] = row.name end

local f = proto.fields
f.command = ProtoField.string("iotsafe.command", "Command")
f.result = ProtoField.string("iotsafe.result", "Result")
f.cla = ProtoField.uint8("iotsafe.cla", "Class", base.HEX)
f.channel = ProtoField.uint8("iotsafe.channel", "Logical channel", base.DEC)
f.ins = ProtoField.uint8("iotsafe.ins", "Instruction", base.HEX, command_names)
f.served = ProtoField.uint8("iotsafe.served", "Serves", base.HEX, command_names)
f.p1 = ProtoField.uint8("iotsafe.p1", "P1", base.HEX)
f.p2 = ProtoField.uint8("iotsafe.p2", "P2", base.HEX)
f.lc = ProtoField.uint8("iotsafe.lc", "Lc", base.DEC)
f.le = ProtoField.uint8("iotsafe.le", "Le", base.DEC)
f.session = ProtoField.uint8("iotsafe.session", "Session", base.DEC)
f.offset = ProtoField.uint16("iotsafe.offset", "Offset", base.DEC)
f.aid = ProtoField.bytes("iotsafe.aid", "AID")
f.tag = ProtoField.uint8("iotsafe.tag", "Tag", base.HEX, tag_names)
f.value = ProtoField.bytes("iotsafe.value", "Value")
f.label = ProtoField.string("iotsafe.object.label", "Label")
f.id = ProtoField.bytes("iotsafe.object.id", "Identifier")
f.data = ProtoField.bytes("iotsafe.data", "Data")
f.masked = ProtoField.bytes("iotsafe.masked", "Masked by the trace")
f.sw = ProtoField.uint16("iotsafe.sw", "Status word", base.HEX)

-- ------------------------------------------------------------------- objects

-- Where a value of this length would end: at the end, or in front of a tag.
local function ends_well(tvb, value, len, stop)
	local at = value + len

	return at == stop or (at < stop and tag_names[tvb(at, 1):uint()] ~= nil)
end

-- Start and length of the value of the object at `at`; lengths from 128 on are met raw and
-- in BER. Nil: it breaks off.
local function value_of(tvb, at, stop)
	local raw, ber_at, ber

	if stop - at < 2 then return nil end
	raw = tvb(at + 1, 1):uint()
	if raw >= 0x80 and not ends_well(tvb, at + 2, raw, stop) then
		if raw == 0x81 and stop - at >= 3 then
			ber_at, ber = at + 3, tvb(at + 2, 1):uint()
		elseif raw == 0x82 and stop - at >= 4 then
			ber_at, ber = at + 4, tvb(at + 2, 2):uint()
		end
	end
	local raw_fits = at + 2 + raw <= stop
	if ber and ber_at + ber <= stop and (not raw_fits or ends_well(tvb, ber_at, ber, stop)) then
		return ber_at, ber
	end
	if raw_fits then return at + 2, raw end
end

-- The same of a signature, which is the last: its length has one byte, two, or a BER form.
local function signature_of(tvb, at, stop)
	local len = stop - at
	local first = len >= 2 and tvb(at + 1, 1):uint() or 0

	if len >= 2 and first == len - 2 then return at + 2, len - 2 end
	if len >= 3 and tvb(at + 1, 2):uint() == len - 3 then return at + 3, len - 3 end
	if len >= 3 and first == 0x81 and tvb(at + 2, 1):uint() == len - 3 then return at + 3, len - 3 end
	if len >= 4 and first == 0x82 and tvb(at + 2, 2):uint() == len - 4 then return at + 4, len - 4 end
	return at, len
end

local function hex(tvb, at, len)
	return len == 0 and "" or tvb(at, len):bytes():tohex()
end

local function in_words(number, row)
	local said = {}

	for _, pair in ipairs(row.words) do
		local value, word = pair[1], pair[2]

		if row.form == "word" and number == value then return word end
		if row.form == "bits" and math.floor(number / value) % 2 == 1 then
			said[#said + 1] = word
			number = number - value
		end
	end
	if number ~= 0 or #said == 0 then said[#said + 1] = ("%02X"):format(number) end
	return table.concat(said, "+")
end

local function attribute(tvb, at, len, row)
	if row.form == "count" then return ("%d bytes"):format(len) end
	if row.form == "bytes" or len > 4 then return hex(tvb, at, len) end
	local number = len == 0 and 0 or tvb(at, len):uint()
	return row.form == "number" and ("%d"):format(number) or in_words(number, row)
end

-- In quotation marks that a label cannot forge.
local function quoted(tvb, at, len)
	local label = len == 0 and "" or tvb(at, len):string(ENC_UTF_8)

	return '"' .. label:gsub("%c", "?"):gsub('[\\"]', "\\%0") .. '"'
end

-- Text and field for a name; nil if the tag is none.
local function name(tvb, tag, at, len)
	local row = math.floor(tag / 16)
	local kind = kinds[tag % 16]

	if kind == nil or (row ~= 7 and row ~= 8) then return nil end
	if row == 7 then return kind .. " label=" .. quoted(tvb, at, len), f.label end
	return kind .. " id=" .. hex(tvb, at, len):lower(), f.id
end

local function show(tree, tvb, from, at, len, text, field)
	local sub = tree:add(proto, tvb(from, at + len - from), text)

	sub:add(f.tag, tvb(from, 1))
	if len > 0 then sub:add(field or f.value, tvb(at, len)) end
end

-- What is known from `at` on, added to the list `said` and to the tree. extra: names of more
-- tags.
local function objects(tvb, at, stop, tree, said, extra)
	local after_attribute = false

	while at < stop do
		local tag = tvb(at, 1):uint()
		local value, len = value_of(tvb, at, stop)
		local text, field

		if tag == SIGNATURE then
			value, len = signature_of(tvb, at, stop)
			text = ("signature=%d bytes"):format(len)
			said[#said + 1] = ", " .. text
			if value > at then
				show(tree, tvb, at, value, len, text)
			else
				tree:add(f.data, tvb(at, len))
			end
			return
		end
		if value and tag >= 0xC1 and tag <= 0xC4 then
			tree:add(f.tag, tvb(at, 1)) -- its objects follow
			at = value
		else
			local row = tags[tag]

			if value then text, field = name(tvb, tag, value, len) end
			local is_name = text ~= nil
			if value and row then
				text = row.name .. "=" .. attribute(tvb, value, len, row)
			elseif value and extra and extra[tag] then
				text = ("%s=%d bytes"):format(extra[tag], len)
			end
			if not text then
				said[#said + 1] = ", ..."
				tree:add(f.data, tvb(at, stop - at))
				return
			end
			said[#said + 1] = (after_attribute and is_name and "; " or ", ") .. text
			show(tree, tvb, at, value, len, text, field)
			after_attribute = not is_name
			at = value + len
		end
	end
end

-- ----------------------------------------------------------- one exchange

local function is_zero(tvb, at, stop)
	for i = at, stop - 1 do
		if tvb(i, 1):uint() ~= 0 then return false end
	end
	return true
end

-- False if the bytes are not those of a mask.
local function masked(tvb, at, stop, tree, said)
	if at == stop or not is_zero(tvb, at, stop) then return false end
	said[#said + 1] = (", %d bytes masked"):format(stop - at)
	tree:add(f.masked, tvb(at, stop - at))
	return true
end

local function parameters(tvb, ins, row, tree, said)
	local p1, p2 = tvb(2, 1):uint(), tvb(3, 1):uint()

	if row.init or row.update then
		local what

		if row.init then
			what = p1 == 0 and "open" or "close"
		else
			what = p1 >= 0x80 and "last" or "more follow"
		end
		said[#said + 1] = (", %s, session=%d"):format(what, p2)
		tree:add(f.session, tvb(3, 1))
	elseif ins == 0xCB then
		said[#said + 1] = ", " .. (({ [0] = "application", "object list" })[p1] or "object")
		if p2 == 1 then said[#said + 1] = ", next page" end
	elseif ins == 0xB0 then
		said[#said + 1] = (", offset=%d"):format(p1 * 256 + p2)
		tree:add(f.offset, tvb(2, 2))
	elseif ins == 0x48 then
		local mode = ({ [0] = "general", "PSK", "PSK and ECDHE" })[p1]

		if mode then said[#said + 1] = ", " .. mode end
	elseif ins == 0x70 then
		said[#said + 1] = p1 == 0 and ", open" or (", close, channel=%d"):format(p2)
	end
end

local function command_data(tvb, ins, row, stop, tree, said)
	local at = 5

	if ins == 0xA4 then
		said[#said + 1] = ", AID=" .. hex(tvb, at, stop - at)
		tree:add(f.aid, tvb(at, stop - at))
		return
	end
	if row.secret and ins ~= 0x46 then -- the name of the secret is seen, if it stands first
		local tag = tvb(at, 1):uint()
		local value, len = value_of(tvb, at, stop)

		if value and (tag == 0x76 or tag == 0x86) then
			objects(tvb, at, value + len, tree, said)
			at = value + len
		end
		if not masked(tvb, at, stop, tree, said) then
			objects(tvb, at, stop, tree, said, inputs)
		end
		return
	end
	objects(tvb, at, stop, tree, said)
end

local function response_data(tvb, at, stop, row, tree, said)
	if at == stop then return end
	if row.secret and masked(tvb, at, stop, tree, said) then return end
	if row.objects then
		objects(tvb, at, stop, tree, said)
		return
	end
	said[#said + 1] = row.response and (", %s=%d"):format(row.response, tvb(at, 1):uint())
		or (", %d bytes"):format(stop - at)
	tree:add(f.data, tvb(at, stop - at))
end

-- --------------------------------------------------- which command is served

-- By packet: the instruction that a GET RESPONSE serves; by channel, while a file is read
-- for the first time: the one whose response waits.
local served, waiting = {}, {}

function proto.init()
	served, waiting = {}, {}
end

-- One GET RESPONSE may follow another, with another class byte.
local function remember(number, channel, ins, sw)
	if ins == 0xC0 then
		served[number] = waiting[channel]
		return
	end
	local sw1 = sw and math.floor(sw / 256)
	waiting[channel] = (sw1 == 0x61 or sw1 == 0x9F) and ins or nil
end

-- Class 0N, 4N: ISO 7816-4; 8N, CN: proprietary. The rest is secure messaging, or of GSM.
local function channel_of(cla)
	local high, low = math.floor(cla / 16), cla % 16

	if (high == 0 or high == 8) and low < 4 then return low, high == 0 end
	if high == 4 or high == 12 then return low + 4, high == 4 end
end

-- ------------------------------------------------------------------- dissector

local function dissect(tvb, pinfo, tree, row, channel)
	local ins, p1, p3 = tvb(1, 1):uint(), tvb(2, 1):uint(), tvb(4, 1):uint()
	local has_data = row.data
	if type(has_data) == "function" then has_data = has_data(p1) end
	local rsp = math.min(5 + (has_data and p3 or 0), tvb:len())
	local stop = tvb:len() - rsp >= 2 and tvb:len() - 2 or nil
	local sw = stop and tvb(stop, 2):uint()

	if not pinfo.visited then remember(pinfo.number, channel, ins, sw) end
	local sub = tree:add(proto, tvb())
	local cmd = sub:add(proto, tvb(0, rsp), "Command")
	cmd:add(f.cla, tvb(0, 1))
	cmd:add(f.channel, tvb(0, 1), channel)
	cmd:add(f.ins, tvb(1, 1))
	cmd:add(f.p1, tvb(2, 1))
	cmd:add(f.p2, tvb(3, 1))
	cmd:add(has_data and f.lc or f.le, tvb(4, 1))
	local said = { row.name }
	if ins == 0xC0 and served[pinfo.number] then
		local other = served[pinfo.number]

		row = commands[other]
		said[#said + 1] = ", of " .. row.name
		cmd:add(f.served, tvb(1, 1), other):set_generated()
	else
		parameters(tvb, ins, row, cmd, said)
		if rsp > 5 then command_data(tvb, ins, row, rsp, cmd, said) end
	end
	local command = table.concat(said)

	said = {}
	if stop then
		local response = sub:add(proto, tvb(rsp), "Response")

		said[1] = ("%04X  %s"):format(sw, meaning(sw))
		response_data(tvb, rsp, stop, row, response, said)
		response:add(f.sw, tvb(stop, 2)):append_text(" (" .. meaning(sw) .. ")")
	else
		said[1] = tvb:len() > rsp and "no status word" or "no response"
	end
	local result = table.concat(said)

	sub:append_text(", " .. row.name)
	sub:add(f.command, tvb(0, rsp), command):set_generated()
	sub:add(f.result, tvb(rsp < tvb:len() and rsp or 0), result):set_generated()
	pinfo.cols.protocol = "IoT SAFE"
	pinfo.cols.info = command .. " - " .. result
	return tvb:len()
end

-- SELECT of ours is by AID; other applications have it for their files.
local function is_ours(row, ins, p1, plain)
	if ins == 0xA4 and p1 ~= 4 then return false end
	if plain then return row.iso or proto.prefs.plain_class end
	return row.also_8n or not row.iso
end

function proto.dissector(tvb, pinfo, tree)
	if tvb:len() >= 5 then
		local ins = tvb(1, 1):uint()
		local row = commands[ins]
		local channel, plain = channel_of(tvb(0, 1):uint())

		if row and channel and is_ours(row, ins, tvb(2, 1):uint(), plain) then
			return dissect(tvb, pinfo, tree, row, channel)
		end
	end
	-- of packets cut short its dissector would say that this script has an error
	local whole, n = pcall(gsm_sim.call, gsm_sim, tvb, pinfo, tree)
	if whole then return n end
	pinfo.cols.info:append(" [cut short]")
	return tvb:len()
end

DissectorTable.get("gsmtap.type"):set(4, proto)
