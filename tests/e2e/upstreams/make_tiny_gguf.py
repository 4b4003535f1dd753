"""Writes a tiny model for llama.cpp: 1.4 MB, the same bytes every time.

usage: make_tiny_gguf.py OUT [SEED] [MIX]

Its greedy answers walk a random graph over a vocabulary of words (the output row of a token's successor resembles the
token's embedding), so that they differ with the prompt and end by themselves; MIX is how much attention adds to that.
"""
import string
import sys

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, FEED, CONTEXT = 96, 2, 4, 192, 8192
WORDS = """the a cache larder key value hit miss store block peer node request response stream token model prompt answer team shared local disk
memory tier origin fresh stale expire pin sign verify seal open fetch push pull warm evict scan index prefix digest hash content address path
header body chunk frame event delta stop start begin end first last next again once never always when then with without from into over under
about because while before after fast slow small large quick steady quiet bright plain simple clear strong gentle honest careful useful
build test run check read write send reply wait retry merge split sort count list find keep drop move copy link mount serve proxy route
river stone cedar amber copper linen harbor meadow lantern orchard pebble thistle willow ember hazel juniper maple sage""".split()
CHAT = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
END = 2


class Vocabulary:
    """Tokens with their types and scores: control tokens, bytes, words, marks, then what spells everything else."""

    def __init__(self):
        self.tokens, self.types, self.scores = ["<unk>", "<s>", "</s>"], [UNKNOWN, CONTROL, CONTROL], [0.0] * 3
        words = ["\u2581" + word for word in dict.fromkeys(WORDS)]
        self.extend([f"<0x{byte:02X}>" for byte in range(256)], BYTE, 0.0)
        self.words = self.extend(words, NORMAL, -1.0)
        self.marks = self.extend([".", ",", "!", "?"], NORMAL, -2.0)
        self.extend("\u2581" + string.ascii_letters + string.digits + "'-:;()", NORMAL, -100.0)
        for word in words:
            for length in range(2, len(word)):
                self.extend([word[:length]], NORMAL, -50.0 - length)

    def extend(self, tokens, kind, score):
        """Adds those that are not there yet; the range of their numbers."""
        first = len(self.tokens)
        for token in tokens:
            if token not in self.tokens:
                self.tokens.append(token)
                self.types.append(kind)
                self.scores.append(score)
        return range(first, len(self.tokens))


def embeddings(rng, size):
    rows = rng.standard_normal((size, WIDTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows * np.sqrt(WIDTH)


def output_rows(rng, vocabulary, embedded):
    """Every token gets three successors among the words; some words lead to a full stop, that to the end."""
    rows = rng.standard_normal(embedded.shape) * 0.02
    words, stop = np.array(vocabulary.words), vocabulary.marks[0]
    near = embedded / np.sqrt(WIDTH)
    for token in range(len(vocabulary.tokens)):
        for rank, successor in enumerate(rng.choice(words, 3, replace=False)):
            rows[successor] += near[token] * (1.0 - 0.05 * rank)
    for token in rng.choice(words, len(words) // 6, replace=False):
        rows[stop] += near[token] * 1.1
    rows[END] += near[stop] * 1.6
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    rows[3:words[0]] *= 0.1
    rows[vocabulary.marks[-1] + 1:] *= 0.1
    rows[:END] = 0.0
    return rows * 4.0


def describe(writer, vocabulary):
    writer.add_name("larder-tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(CHAT)


def tensors(rng, vocabulary, mix):
    """Names and values, in the file's order."""
    embedded = embeddings(rng, len(vocabulary.tokens))
    output = output_rows(rng, vocabulary, embedded)
    matrix = lambda rows, columns, scale=1.0: rng.standard_normal((rows, columns)) / np.sqrt(columns) * scale  # noqa: E731
    yield "token_embd.weight", embedded
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", np.ones(WIDTH)
        for part, scale in (("q", 3), ("k", 3), ("v", 1)):
            yield f"{block}attn_{part}.weight", matrix(WIDTH, WIDTH, scale)
        yield block + "attn_output.weight", matrix(WIDTH, WIDTH, mix)
        yield block + "ffn_norm.weight", np.ones(WIDTH)
        yield block + "ffn_gate.weight", matrix(FEED, WIDTH)
        yield block + "ffn_up.weight", matrix(FEED, WIDTH)
        yield block + "ffn_down.weight", matrix(WIDTH, FEED, mix)
    yield "output_norm.weight", np.ones(WIDTH)
    yield "output.weight", output


def main(out, seed="0", mix="0.6"):
    vocabulary = Vocabulary()
    writer = gguf.GGUFWriter(out, "llama")
    describe(writer, vocabulary)
    for name, values in tensors(np.random.default_rng(int(seed)), vocabulary, float(mix)):
        writer.add_tensor(name, np.ascontiguousarray(values.astype(np.float32)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
