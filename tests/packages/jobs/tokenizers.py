"""Training and using a tokenizer, with its own threads."""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "true"

from tokenizers import Tokenizer, models, pre_tokenizers, trainers


def work() -> object:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(["the quick brown fox", "jumps over the lazy dog"] * 50, trainer)
    batch = tokenizer.encode_batch(["the lazy fox"] * 200)
    assert all(encoding.ids == batch[0].ids for encoding in batch)
    return batch[0].tokens
