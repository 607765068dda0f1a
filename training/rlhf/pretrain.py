"""Pretraining: a fresh byte-level tokenizer and a fresh small causal LM from raw text.

Not a stage of the paper, which begins with GPT-3. It makes the base of the demo and of tests on machines
that have no weights and cannot download any: seconds to minutes on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from training.rlhf.checkpoint import Stateful
from training.rlhf.config import PretrainConfig
from training.rlhf.data import open_dataset, require_rows
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.model import LanguageModel, save_policy
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.packing import PackedText, text_loss, valid_text_loss
from training.rlhf.parallel import share, size, summed
from training.rlhf.runtime import Run, due, require_finite
from training.rlhf.stage_configs import Pretrain
from training.rlhf.tokenizer import Codec, make_codec

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
VALID_SEQUENCES = 128


def run(config: PretrainConfig, run: Run) -> dict[str, float]:
    """Make a tokenizer and a model, train the model, save both."""
    # 1. Data: every text is read once for the tokenizer and once for the stream.
    dataset = open_dataset(run.folder / config.inputs.dataset, ["pretrain"], key="inputs.dataset")
    texts = require_rows(dataset.texts("train"), "texts", dataset, "train")
    valid_texts = dataset.texts("valid") or texts
    run.progress("making the tokenizer", 0, 1, "tokenizer")
    settings = config.pretrain
    codec = make_codec(train_tokenizer(texts, settings), source="", key="inputs.dataset")
    packed = PackedText(texts, codec, sequence_tokens=settings.sequence_tokens, what=str(dataset.folder))
    valid = PackedText(
        valid_texts, codec, sequence_tokens=packed.sequence_tokens, what=f"{dataset.folder} valid split"
    ).sequences(VALID_SEQUENCES)
    # 2. Model and optimizer.
    model = new_language_model(settings, codec, seed=config.seed).to(run.device)
    optimizer = make_optimizer(model, config.optim)
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer}
    first, _ = run.resume(parts)
    # 3. Train on sequences drawn from anywhere in the stream.
    for step in range(first, settings.steps):
        began = time.monotonic()
        ids = packed.draw(settings.minibatch_size, config.seed, step)
        loss = backward(model, ids, run)
        rate = learning_rate(config.optim, step, settings.steps)
        norm = take_step(optimizer, model, rate, config.optim.clip_norm)
        # 4. Report and save.
        done = step + 1
        require_finite(norm, "the gradient norm", done)
        if due(done, config.report.log_every, settings.steps):
            metrics = {
                "loss/pretrain": require_finite(loss, "loss/pretrain", done),
                "optim/grad_norm": norm,
                "optim/learning_rate": rate,
                "speed/tokens_per_second": ids.numel() / (time.monotonic() - began),
            }
            if due(done, config.report.valid_every, settings.steps):
                metrics["valid/loss"] = valid_text_loss(model, valid)
            run.metrics.write(done, metrics)
        if due(done, config.report.sample_every, settings.steps):
            _add_samples(model, codec, run, config, done)
        run.progress("training", done, settings.steps, "steps")
        run.save_if_due(done, parts, last=done == settings.steps)
    # 5. The final model.
    about = {"kind": "base", "dataset_hash": dataset.hash, "seed": config.seed}
    run.publish_model(lambda folder: save_policy(model, codec, folder, about))
    return run.metrics.latest


def backward(model: LanguageModel, ids: Tensor, run: Run) -> float:
    """Add the gradient of the mean loss over a minibatch's sequences (B, T), dealt out to the processes."""
    mean = 0.0
    for part, weight in share(torch.split(ids, -(-len(ids) // size()))):
        with run.autocast():
            loss = text_loss(model, part.to(run.device))
        own = weight * len(part) / len(ids)
        torch.autograd.backward(loss * own)
        mean += float(loss.detach()) * own
    return summed({"loss": mean})["loss"]


def train_tokenizer(texts: Iterable[str], settings: Pretrain) -> Any:
    """Train a byte-level BPE tokenizer whose padding, beginning and end tokens are three different ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapper: Any = PreTrainedTokenizerFast
    return wrapper(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=settings.context,
        clean_up_tokenization_spaces=False,
    )


def new_language_model(settings: Pretrain, codec: Codec, *, seed: int) -> LanguageModel:
    """Build a randomly initialised model of the configured shape, without dropout, embeddings tied."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    special = {
        "vocab_size": len(codec.tokenizer),
        "pad_token_id": codec.tokenizer.pad_token_id,
        "bos_token_id": codec.tokenizer.bos_token_id,
        "eos_token_id": codec.eos_id,
        "tie_word_embeddings": True,
    }
    torch.manual_seed(seed)
    if settings.shape == "llama":
        llama = LlamaConfig(
            hidden_size=settings.width,
            intermediate_size=settings.width * 8 // 3,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=settings.context,
            **special,
        )
        return LanguageModel(LlamaForCausalLM(llama)).eval()
    gpt2 = GPT2Config(
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        n_positions=settings.context,
        activation_function="gelu_pytorch_tanh",  # the formula of gelu_new in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        **special,
    )
    return LanguageModel(GPT2LMHeadModel(gpt2)).eval()


def _add_samples(model: LanguageModel, codec: Codec, run: Run, config: PretrainConfig, step: int) -> None:
    count = config.report.sample_count
    if count == 0:
        return
    width = config.pretrain.sequence_tokens - 1
    start = codec.tokenizer.eos_token_id  # the token between two documents
    uniforms = row_uniforms(count, width, config.seed, "samples", step)
    made = generate(
        model, [[start]], n=count, max_tokens=width, eos_id=codec.eos_id, temperature=1.0, uniforms=uniforms
    )
    for ids in made.rows():
        run.add_sample(step, {"prompt": "", "response": codec.decode(ids)})
