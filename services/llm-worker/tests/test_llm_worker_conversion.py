"""Each family against an independent forward pass; what a checkpoint may look like, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from decoder_reference import logits, random_tensors, write_checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.architecture import NUMPY_FAMILIES
from olo_llm_worker.model_directory.conversion import convert
from olo_llm_worker.model_directory.tensors import open_tensors
from olo_llm_worker.model_directory.verification import verify

IDS = [2, *range(40, 110, 3), 0, 3]


def computed(made: ModelDirectory, ids: list[int]) -> Any:
    generator = ctranslate2.Generator(str(made.path), device="cpu", intra_threads=1)
    tokens = json.loads(made.file("vocabulary.json").read_text())
    return np.asarray(generator.forward_batch([[tokens[number] for number in ids]], return_log_probs=False))[0]


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("LlamaForCausalLM", {}),
        ("LlamaForCausalLM", {"tie_word_embeddings": True}),
        ("LlamaForCausalLM", {"attention_bias": True, "mlp_bias": True}),
        ("LlamaForCausalLM", {"head_dim": 16, "num_key_value_heads": 4}),
        ("LlamaForCausalLM", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
        *(
            (
                "LlamaForCausalLM",
                {
                    "rope_theta": 50.0,
                    "rope_scaling": {
                        "rope_type": "llama3",
                        "factor": factor,
                        "low_freq_factor": 1.0,
                        "high_freq_factor": 4.0,
                        "original_max_position_embeddings": original,
                    },
                },
            )
            for factor, original in ((8.0, 64), (32.0, 40))
        ),
        ("MistralForCausalLM", {"sliding_window": None}),
        ("Qwen2ForCausalLM", {"use_sliding_window": False, "sliding_window": 8}),
        ("Qwen3ForCausalLM", {"head_dim": 16}),
        ("Qwen3ForCausalLM", {"attention_bias": True}),
        ("Phi3ForCausalLM", {"num_key_value_heads": 4}),
        ("Phi3ForCausalLM", {"sliding_window": 1000}),
    ],
)
def test_the_engine_computes_what_the_checkpoint_means(
    tmp_path: Path, architecture: str, changes: dict[str, Any]
) -> None:
    config = write_checkpoint(tmp_path / "checkpoint", architecture, **changes)
    made = convert(tmp_path / "checkpoint", tmp_path / "made", quantization="float32", name="x")
    expected = logits(config, random_tensors(config, 1), IDS)
    actual = computed(made, IDS)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(actual, expected, atol=1e-3, rtol=0)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "llama", "LlamaForCausalLM")
    return tmp_path / "llama"


def change_config(checkpoint: Path, **changes: Any) -> None:
    file = checkpoint / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architectures": ["MistralForCausalLM"], "sliding_window": 64}, "a sliding window of 64 tokens"),
        ({"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": True, "sliding_window": 64}, "a sliding window"),
        ({"architectures": ["Qwen2ForCausalLM"]}, "no tensor model.layers.0.self_attn.q_proj.bias"),
        ({"architectures": ["Qwen3ForCausalLM"]}, "no tensor model.layers.0.self_attn.q_norm.weight"),
        ({"architectures": []}, "architecture unknown is not supported"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope scaling yarn"),
        ({"rope_scaling": {"rope_type": "linear"}}, "does not say factor"),
        ({"rope_scaling": {"rope_type": "linear", "factor": -1}}, "wrong number for factor"),
        ({"architectures": ["Gemma2ForCausalLM"], "attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
        ({"partial_rotary_factor": 0.5}, "on a part of each head"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantised already"),
        ({"num_key_value_heads": 3}, "4 attention heads cannot share 3 key heads"),
        ({"num_hidden_layers": True}, "wrong number for num_hidden_layers"),
        ({"rms_norm_eps": "small"}, "wrong number for rms_norm_eps"),
        ({"max_position_embeddings": None}, "does not say max_position_embeddings"),
    ],
)
def test_what_the_engine_would_not_compute_is_refused_by_name(
    llama: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    change_config(llama, **changes)
    with pytest.raises(ModelDirectoryError, match=said):
        convert(llama, tmp_path / "out" / "made", quantization="int8", name="x")
    assert not (tmp_path / "out").exists()


def test_an_untied_head_that_is_not_there_is_missed(llama: Path, tmp_path: Path) -> None:
    tensors = load_file(llama / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, llama / "model.safetensors")
    with pytest.raises(ModelDirectoryError, match=r"no tensor lm_head\.weight"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


def test_a_bias_that_the_configuration_hides_is_not_left_out(llama: Path, tmp_path: Path) -> None:
    tensors = load_file(llama / "model.safetensors")
    tensors["model.layers.1.self_attn.o_proj.bias"] = np.ones(32, np.float32)
    save_file(tensors, llama / "model.safetensors")
    with pytest.raises(ModelDirectoryError, match=r"o_proj\.bias, of which config\.json does not say"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


# Weights in several files


def split(checkpoint: Path) -> dict[str, str]:
    """Spreads the weights over two files; gives the places, as the index says them."""
    tensors = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-1-of-2.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, checkpoint / file)
    places = {name: file for file, held in parts.items() for name in held}
    write_index(checkpoint, places)
    return places


def write_index(checkpoint: Path, places: Any) -> None:
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_weights_in_several_files_make_the_same_model(llama: Path, tmp_path: Path) -> None:
    whole = convert(llama, tmp_path / "whole", quantization="float32", name="x")
    split(llama)
    parts = convert(llama, tmp_path / "parts", quantization="float32", name="x")
    assert parts.manifest.files == whole.manifest.files


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("../model.safetensors", "not a plain file name"),
        ("/etc/passwd", "not a plain file name"),
        ("pytorch_model.bin", "no safetensors file"),
        ("model-3-of-2.safetensors", "is missing, which the index names"),
        ("model-1-of-2.safetensors", "where the index says it is"),
    ],
)
def test_an_index_leads_nowhere_else(llama: Path, tmp_path: Path, place: str, said: str) -> None:
    places = split(llama)
    moved = next(name for name, file in places.items() if file == "model-2-of-2.safetensors")
    write_index(llama, places | {moved: place})
    with pytest.raises(ModelDirectoryError, match=said):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


@pytest.mark.parametrize("index", ["[]", "{", '{"weight_map": 3}', "{}"])
def test_an_index_that_is_none_is_refused(llama: Path, tmp_path: Path, index: str) -> None:
    (llama / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelDirectoryError, match="no index of safetensors"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


def test_pickles_are_refused(llama: Path, tmp_path: Path) -> None:
    (llama / "model.safetensors").rename(llama / "pytorch_model.bin")
    with pytest.raises(ModelDirectoryError, match="a pickle can run code"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "README.md"])
def test_a_link_out_of_the_checkpoint_is_refused(llama: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes((llama / name).read_bytes() if (llama / name).exists() else b"---\nlicense: mit\n---\n")
    (llama / name).unlink(missing_ok=True)
    (llama / name).symlink_to(outside)
    with pytest.raises(ModelDirectoryError, match="a link that leaves it"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_safetensors_are_refused_and_nothing_else_happens(llama: Path, data: st.DataObject) -> None:
    original = llama / "model.safetensors"
    content = original.read_bytes()
    header = int.from_bytes(content[:8], "little") + 8
    cut = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content[:cut] if data.draw(st.booleans()) else content)
    for place in data.draw(st.lists(st.integers(0, header - 1), max_size=3)):
        if place < len(changed):
            changed[place] = data.draw(st.integers(0, 255))
    (llama / "damaged").mkdir(exist_ok=True)
    (llama / "damaged" / "model.safetensors").write_bytes(changed)
    expected = load_file(original)
    try:
        tensors = open_tensors(llama / "damaged")
        for name, value in expected.items():
            assert tensors.take(name, *value.shape).shape == value.shape
    except ModelDirectoryError:
        pass


# What comes along


def test_defaults_licence_limits_and_stops_come_from_the_checkpoint(llama: Path, tmp_path: Path) -> None:
    (llama / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: not this\n")
    generation = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "eos_token_id": [0, 1]}
    (llama / "generation_config.json").write_text(json.dumps(generation))
    manifest = convert(llama, tmp_path / "made", quantization="int8", name="tiny", origin="a/b@1").manifest
    assert (manifest.family, manifest.license, manifest.context_limit) == ("llama", "apache-2.0", 256)
    assert (manifest.stop_tokens, manifest.stop_token_ids) == (["<|end|>", "<|system|>"], [0, 1])
    assert (manifest.generation.temperature, manifest.generation.top_k, manifest.generation.top_p) == (0.7, 20, 0.8)
    assert manifest.origin == "a/b@1"


@pytest.mark.parametrize("value", ["warm", float("nan"), -1, 99])
def test_defaults_that_are_no_options_are_refused(llama: Path, tmp_path: Path, value: Any) -> None:
    (llama / "generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": value}))
    with pytest.raises(ModelDirectoryError, match="temperature"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")


def test_a_family_of_the_extra_says_what_to_install(llama: Path, tmp_path: Path) -> None:
    change_config(llama, architectures=["GemmaForCausalLM"])
    with pytest.raises(ModelDirectoryError, match=r"olo-llm-worker\[convert\]"):
        convert(llama, tmp_path / "made", quantization="int8", name="x")
    assert list(tmp_path.iterdir()) == [llama]


@pytest.mark.parametrize("architecture", NUMPY_FAMILIES)
@pytest.mark.parametrize("quantization", ["int8", "int8_float32", "float16"])
def test_every_family_and_format_passes_verification(tmp_path: Path, architecture: str, quantization: str) -> None:
    write_checkpoint(tmp_path / "checkpoint", architecture)
    made = convert(tmp_path / "checkpoint", tmp_path / "made", quantization=quantization, name="x")
    checks = verify(made.path)
    assert [check.name for check in checks] == ["files", "shapes", "tokenizer", "template", "generation"]
    assert [check.detail for check in checks if not check.ok] == []
