"""llama.cpp's own HTTP server on loopback.

usage: llama_server.py MODEL PORT [emb]     (`emb`: answers embeddings too)
Prints one line when it listens and runs until it is ended.
"""
import sys
import threading

import xllamacpp


def parameters(model, port, embeddings):
    found = xllamacpp.CommonParams()
    found.model.path = model
    found.model_alias = {"larder-tiny"}
    found.hostnames = ["127.0.0.1"]
    found.port = port
    found.n_ctx = 2048
    found.n_parallel = 2
    found.warmup = False
    found.offline = True
    found.cpuparams.n_threads = 1
    if embeddings:
        found.embedding = True
        found.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return found


def main():
    server = xllamacpp.Server(parameters(sys.argv[1], int(sys.argv[2]), "emb" in sys.argv[3:]))
    print("listening", server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
